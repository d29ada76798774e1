/* keys.c - see keys.h. A terminal's sequences (ECMA-48): ESC [ parameters final; ESC O final; ESC and one of P _ ] ^ X,
 * then anything up to ESC \ or, for ], BEL. */
#include "cli/keys.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { PLAIN = 0, ESCAPE, CONTROL, SINGLE, TEXT, TEXT_ESCAPE };

bool keys_are_there(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

wn_status keys_open(struct keys *k, wn_error *err)
{
    *k = (struct keys){ 0 };
    if (tcgetattr(STDIN_FILENO, &k->before) != 0)
        return wn_fail(err, WN_E_IO, "the terminal: %s", strerror(errno));
    struct termios raw = k->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    raw.c_cc[VSUSP] = _POSIX_VDISABLE; /* a shell would take over a terminal without echo */
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
        return wn_fail(err, WN_E_IO, "the terminal: %s", strerror(errno));
    return WN_OK;
}

void keys_close(struct keys *k)
{
    tcsetattr(STDIN_FILENO, TCSADRAIN, &k->before);
}

static int32_t final_key(unsigned char byte, uint32_t parameters)
{
    if (parameters > 0)
        return KEY_NONE;
    return byte == 'D' ? KEY_LEFT : byte == 'C' ? KEY_RIGHT : KEY_NONE;
}

static int32_t take_plain(struct keys *k, unsigned char byte)
{
    k->parameters = 0;
    if (byte == 0x1b)
        k->state = ESCAPE;
    return byte == KEY_END || (byte >= ' ' && byte < 0x7f) ? byte : KEY_NONE;
}

static int32_t take_control(struct keys *k, unsigned char byte)
{
    if (byte < 0x40 || byte > 0x7e) {
        k->parameters++;
        return KEY_NONE;
    }
    k->state = PLAIN;
    return final_key(byte, k->parameters);
}

int32_t keys_take(struct keys *k, unsigned char byte)
{
    switch (k->state) {
    case ESCAPE:
        k->state = byte == '[' ? CONTROL : byte == 'O' ? SINGLE : strchr("P_]^X", byte) && byte ? TEXT : PLAIN;
        return KEY_NONE;
    case CONTROL:
        return take_control(k, byte);
    case SINGLE:
        k->state = PLAIN;
        return final_key(byte, 0);
    case TEXT:
        k->state = byte == 0x1b ? TEXT_ESCAPE : byte == 7 ? PLAIN : TEXT;
        return KEY_NONE;
    case TEXT_ESCAPE:
        k->state = byte == '\\' ? PLAIN : TEXT;
        return KEY_NONE;
    default:
        return take_plain(k, byte);
    }
}

/* 1 = a byte, 0 = none in time (or a signal came), -1 = the terminal is gone. */
static int read_byte(unsigned char *byte, int32_t ms)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
    const int ready = poll(&p, 1, ms);
    if (ready <= 0)
        return ready == 0 || errno == EINTR ? 0 : -1;
    const ssize_t n = read(STDIN_FILENO, byte, 1);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -1;
    return n == 1 ? 1 : -1; /* ready, and nothing there: hung up */
}

int32_t keys_wait(struct keys *k, int32_t ms)
{
    unsigned char byte;
    int got;
    while ((got = read_byte(&byte, ms)) > 0) {
        const int32_t key = keys_take(k, byte);
        if (key != KEY_NONE)
            return key;
    }
    if (k->state == ESCAPE) /* the key of that name */
        k->state = PLAIN;
    return got < 0 ? KEY_END : KEY_NONE;
}

uint64_t keys_query(const char *question, char mark, char end, int32_t ms, char *reply, uint64_t size)
{
    const double until = clock_seconds() + ms / 1000.0;
    const char *behind = NULL;
    uint64_t n = 0;
    reply[0] = '\0';
    if (write(STDERR_FILENO, question, strlen(question)) < 0)
        return 0;
    for (double left = ms; n + 1 < size && left > 0 && !(behind && strchr(behind, end));
         left = 1000 * (until - clock_seconds())) {
        unsigned char byte;
        const int got = read_byte(&byte, (int32_t)left + 1);
        if (got < 0)
            break;
        if (got == 0 || byte == '\0')
            continue;
        reply[n++] = (char)byte;
        reply[n] = '\0';
        behind = behind ? behind : strchr(reply, mark);
    }
    return n;
}
