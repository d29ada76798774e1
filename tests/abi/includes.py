"""Who may include whom: the house's floors have one stair, and it leads down.

usage: includes.py SOURCE_DIR
"""
import os
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
C_STANDARD = set("assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg "
                 "stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype".split())
CODECS = ("weights/safetensors.h", "weights/torch_file.h", "weights/gguf.h")
FOREIGN_TO_CORE = ("cblas", "openblas", "vulkan", "nn.h", "graph.h", "models/", "text/", "image/")


def includes(path):
    with open(path, encoding="utf-8") as file:
        for bracket, name in INCLUDE.findall(file.read()):
            yield bracket, name


def sources(root, folder):
    for directory, _, files in os.walk(os.path.join(root, folder)):
        for name in sorted(files):
            if name.endswith((".c", ".h", ".cc")):
                yield os.path.join(directory, name)


def is_core(root, name):
    return os.path.exists(os.path.join(root, "core", name))


def check_sdk_include(root, path, bracket, name):
    if name.startswith("winnow/"):
        return None
    return None if bracket == "<" and name[:-2] in C_STANDARD else "the public headers include C standard headers only"


def check_nn(root, path, bracket, name):
    if bracket == '"' and is_core(root, name) and not os.path.exists(os.path.join(root, "sdk/nn", name)) \
            and not os.path.exists(os.path.join(os.path.dirname(path), name)):
        return "the toolkit knows nothing of core"
    return None


def check_wrap(root, path, bracket, name):
    return check_sdk_include(root, path, bracket, name) if name != "wrap.h" else None


def check_worker(root, path, bracket, name):
    if name.startswith("winnow/") or name == "cjson/cJSON.h":
        return None
    own = os.path.exists(os.path.join(os.path.dirname(path), name))
    return None if bracket == "<" or own else "programs in other processes stand on the SDK's headers, cJSON and POSIX alone"


def check_explore(root, path, bracket, name):
    own = bracket == '"' and os.path.exists(os.path.join(os.path.dirname(path), name))
    return None if own else check_sdk_include(root, path, bracket, name)


def check_conform(root, path, bracket, name):
    if name.startswith("winnow/"):
        return None
    own = os.path.exists(os.path.join(os.path.dirname(path), name))
    return None if bracket == "<" or own else "the kit stands on the SDK's headers and POSIX alone"


def check_core(root, path, bracket, name):
    if name == "conform.h" or bracket == '"' and (is_core(root, name) or name in CODECS):
        return None
    if bracket == '"':
        return "core includes its own files by their path below core, and the codecs of weight files"
    if name.startswith(FOREIGN_TO_CORE):
        return "core knows no plugin, no toolkit and no compute library"
    return None


def check_plugin(root, path, bracket, name):
    if bracket == "<":
        return None
    own = os.path.exists(os.path.join(os.path.dirname(path), name))
    toolkit = os.path.exists(os.path.join(root, "sdk/nn", name))
    return None if own or toolkit else "a plugin includes the SDK and its own folder, never core or another plugin"


def check_example(root, path, bracket, name):
    if bracket == '"':
        own = os.path.exists(os.path.join(os.path.dirname(path), name))
        return None if own else "an example includes the installed SDK only"
    return None


RULES = (("sdk/include", check_sdk_include), ("sdk/nn", check_nn), ("sdk/wrap", check_wrap), ("sdk/worker", check_worker),
         ("sdk/explore", check_explore), ("sdk/device", check_explore), ("sdk/conform", check_conform), ("core", check_core), ("plugins", check_plugin),
         ("examples", check_example))


def main():
    root, mistakes, seen = sys.argv[1], 0, 0
    for folder, check in RULES:
        for path in sources(root, folder):
            seen += 1
            for bracket, name in includes(path):
                why = check(root, path, bracket, name)
                if why:
                    mistakes += 1
                    print(f"{os.path.relpath(path, root)}: #include {name}: {why}")
    print(f"{seen} files, {mistakes} wrong includes")
    return 1 if mistakes or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
