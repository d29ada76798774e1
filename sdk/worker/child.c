/* child.c - see child.h. posix_spawn, because the host has threads: what runs between fork and exec in their midst is
 * the C library's affair. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The order matters: the shared descriptor may itself be a small number. */
static int wire(posix_spawn_file_actions_t *actions, int socket, int errors, int shared)
{
    int rc = posix_spawn_file_actions_adddup2(actions, socket, STDIN_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, socket, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, errors, STDERR_FILENO);
    if (rc == 0 && shared >= 0)
        rc = posix_spawn_file_actions_adddup2(actions, shared, WN_CHILD_SHARED_FD);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(actions, shared >= 0 ? WN_CHILD_SHARED_FD + 1 : 3);
    return rc;
}

/* A group of its own, no signal blocked or ignored, whatever the host does with its own. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int spawn(pid_t *pid, char *const *argv, char *const *env, int socket, int errors, int shared)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        rc = wire(&actions, socket, errors, shared);
        if (rc == 0)
            rc = set_attributes(&attributes);
        if (rc == 0)
            rc = posix_spawnp(pid, argv[0], &actions, &attributes, argv, env);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static void close_all(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

wn_status wn_child_start(struct wn_child *c, char *const *argv, char *const *env, int shared, wn_error *err)
{
    int fds[4] = { -1, -1, -1, -1 }; /* ours and the child's end of the socket, then of its errors */
    *c = (struct wn_child)WN_CHILD_NONE;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0 || pipe2(fds + 2, O_CLOEXEC) != 0 ||
        fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0 || fcntl(fds[2], F_SETFL, O_NONBLOCK) != 0) {
        const int why = errno;
        close_all(fds, 4);
        return wn_fail(err, WN_E_IO, "no pipes for %s: %s", argv[0], strerror(why));
    }
    const int rc = spawn(&c->pid, argv, env, fds[1], fds[3], shared);
    close(fds[1]);
    close(fds[3]);
    if (rc == 0) {
        c->socket = fds[0];
        c->errors = fds[2];
        return WN_OK;
    }
    c->pid = 0;
    close(fds[0]);
    close(fds[2]);
    return wn_fail(err, rc == ENOENT ? WN_E_MISSING : WN_E_IO, "%s cannot be started: %s", argv[0], strerror(rc));
}

static void describe_end(int status, char *how, uint64_t how_size)
{
    if (WIFSIGNALED(status))
        snprintf(how, how_size, "died of signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, how_size, "ended with status %d", WEXITSTATUS(status));
}

/* Whether it has ended, after at most half a second. It stays a zombie, so that its group's number is not another's. */
static int has_ended(pid_t pid)
{
    for (int i = 0; i < 50; i++) {
        siginfo_t info = { 0 };
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid)
            return 1;
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
    return 0;
}

void wn_child_kill(struct wn_child *c, int is_patient, char *how, uint64_t how_size)
{
    int status = 0;
    shutdown(c->socket, SHUT_RDWR);
    const int by_itself = is_patient && has_ended(c->pid);
    kill(-c->pid, SIGKILL); /* and what it has started */
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (by_itself)
        describe_end(status, how, how_size);
    else
        snprintf(how, how_size, "was ended");
}

void wn_child_close(struct wn_child *c)
{
    close(c->socket);
    close(c->errors);
    *c = (struct wn_child)WN_CHILD_NONE;
}
