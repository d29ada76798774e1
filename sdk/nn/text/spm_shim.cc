// spm_shim.cc - the SentencePiece library behind C functions; a build without it says so.
#include "spm_shim.h"

#include <cstdlib>

#ifdef WINNOW_HAVE_SENTENCEPIECE

#include <exception>
#include <memory>
#include <sentencepiece_processor.h>
#include <string>
#include <vector>

struct spm {
    sentencepiece::SentencePieceProcessor processor;
};

// Runs `body`; what it throws becomes an error.
template <typename Body> static wn_status guarded(wn_error *err, const char *what, Body body)
{
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", what);
    } catch (const std::exception &e) {
        return wn_fail(err, WN_E_INTERNAL, "%s: %s", what, e.what());
    } catch (...) {
        return wn_fail(err, WN_E_INTERNAL, "%s: unknown exception", what);
    }
}

static wn_status load(const char *path, const unsigned char *bytes, size_t size, spm **out, wn_error *err)
{
    std::unique_ptr<spm> m(new spm);
    const auto status = m->processor.LoadFromSerializedProto(std::string(bytes, bytes + size));
    if (!status.ok())
        return wn_fail(err, WN_E_FORMAT, "%s: is no SentencePiece model: %.300s", path, status.ToString().c_str());
    *out = m.release();
    return WN_OK;
}

wn_status spm_open(const char *path, const unsigned char *bytes, size_t size, spm **out, wn_error *err)
{
    *out = nullptr;
    return guarded(err, path, [&] { return load(path, bytes, size, out, err); });
}

void spm_close(spm *m)
{
    delete m;
}

int32_t spm_size(const spm *m)
{
    return m->processor.GetPieceSize();
}

int32_t spm_find(const spm *m, const char *piece)
{
    const int id = m->processor.PieceToId(piece);
    return m->processor.IdToPiece(id) == piece ? id : -1;
}

static wn_status encode(const spm *m, const char *text, size_t bytes, int32_t **ids, size_t *count, wn_error *err)
{
    std::vector<int> found;
    const auto status = m->processor.Encode(std::string(text, bytes), &found);
    if (!status.ok())
        return wn_fail(err, WN_E_INTERNAL, "cannot tokenize: %.300s", status.ToString().c_str());
    *ids = static_cast<int32_t *>(std::malloc((found.size() + 1) * sizeof **ids));
    if (!*ids)
        return wn_fail(err, WN_E_MEMORY, "no memory for %zu tokens", found.size());
    for (*count = 0; *count < found.size(); ++*count)
        (*ids)[*count] = found[*count];
    return WN_OK;
}

wn_status spm_encode(const spm *m, const char *text, size_t bytes, int32_t **ids, size_t *count, wn_error *err)
{
    *ids = nullptr;
    return guarded(err, "text", [&] { return encode(m, text, bytes, ids, count, err); });
}

#else

wn_status spm_open(const char *path, const unsigned char *, size_t, spm **out, wn_error *err)
{
    *out = nullptr;
    return wn_fail(err, WN_E_UNSUPPORTED, "%s: this build lacks SentencePiece: install libsentencepiece-dev and %s",
                   path, "configure again");
}

void spm_close(spm *)
{
}

int32_t spm_size(const spm *)
{
    return 0;
}

int32_t spm_find(const spm *, const char *)
{
    return -1;
}

wn_status spm_encode(const spm *, const char *, size_t, int32_t **, size_t *, wn_error *err)
{
    return wn_fail(err, WN_E_UNSUPPORTED, "this build lacks SentencePiece");
}

#endif
