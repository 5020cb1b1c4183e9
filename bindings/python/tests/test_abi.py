"""The package says what include/raftcore.h says: structs, functions, constants, codes, layouts of
records.
"""

import ctypes
import re
import shutil
import subprocess
import tempfile
import unittest
from enum import IntEnum, IntFlag
from pathlib import Path
from struct import calcsize

import raftcore
from raftcore import _abi, _errors, _ready, _rounds

ROOT = Path(__file__).parents[3]
HEADER = ROOT / "include" / "raftcore.h"
CODE = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)


def structs():
    """By name in C: names of the fields."""
    found = {}
    for name, body in re.findall(r"typedef struct (raftcore_\w+) \{(.*?)\} \1;", CODE, re.S):
        body = re.sub(r"\(\*(\w+)\)\([^;]*\);", r"\1;", body)  # pointers to functions
        found[name] = re.findall(r"(\w+);", body)
    return found


def python_struct(name):
    return getattr(_abi, "".join(part.title() for part in name[len("raftcore_") :].split("_")))


def functions():
    """By name: what it returns and takes, as text without names and const."""
    found = {}
    pattern = r"RAFTCORE_API (?:RAFTCORE_MUST_USE )?([\w ]+?\*?)\s*(raftcore_\w+)\(([^;]*?)\);"
    for returns, name, takes in re.findall(pattern, CODE):
        takes = [] if takes == "void" else [re.sub(r"\w+$", "", take.strip()) for take in takes.split(",")]
        found[name] = plain(returns), [plain(take) for take in takes]
    return found


def plain(text):
    text = re.sub(r"\bconst\b", "", text)
    return re.sub(r"\s+", "", text)


def constants():
    """By name without the prefix: the number."""
    found = {}
    for name, value in re.findall(r"#define RAFTCORE_(\w+)[ \t]+(\(?-?(?:UINT64_C\()?\d+u?\)?\)?)\s", CODE):
        found[name] = int(re.search(r"-?\d+", value.replace("UINT64_C", ""))[0])
    return found


GROUPS = {
    "ROLE": raftcore.Role,
    "ENTRY": raftcore.EntryKind,
    "MSG": raftcore.MsgKind,
    "CHANGE": raftcore.ChangeKind,
    "TRANSITION": raftcore.Transition,
    "STORAGE": raftcore.Storage,
    "DIALECT": raftcore.Dialect,
    "PRESET": raftcore.Preset,
    "FLAG": raftcore.Flag,
    "RF": raftcore.ReadyFlag,
    "MF": raftcore.MsgFlag,
    "HAS": raftcore.Has,
    "DROP": raftcore.DropWhat,
    "FETCH": raftcore.FetchKind,
    "SUPPLY": raftcore.Supply,
    "SNAPSHOT": raftcore.SnapshotReport,
    "FLOW": raftcore.Flow,
    "PF": raftcore.PeerFlag,
    "EVENT": raftcore.EventKind,
    "REASON": raftcore.Reason,
    "FEATURE": raftcore.Feature,
    "HELLO": raftcore.HelloFeature,
}


class AbiTest(unittest.TestCase):
    def test_every_struct_has_the_compilers_layout(self):
        compiler = shutil.which("cc")
        if compiler is None:
            self.skipTest("no C compiler")
        lines = []
        for name, fields in structs().items():
            lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
            for field in fields:
                at = f"offsetof({name}, {field}), sizeof((({name} *)0)->{field})"
                lines.append(f'printf("{name}.{field} %zu %zu\\n", {at});')
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "probe.c"
            source.write_text(
                '#include "raftcore.h"\n#include <stdio.h>\nint main(void) {\n' + "\n".join(lines) + "\nreturn 0; }\n"
            )
            subprocess.run([compiler, f"-I{HEADER.parent}", "-o", f"{folder}/probe", str(source)], check=True)
            said = subprocess.run([f"{folder}/probe"], check=True, capture_output=True, text=True).stdout

        ours = []
        for name in structs():
            struct = python_struct(name)
            ours.append(f"{name} {ctypes.sizeof(struct)}")
            for field, _ in struct._fields_:
                place = getattr(struct, field)
                ours.append(f"{name}.{field.rstrip('_')} {place.offset} {place.size}")
        self.assertGreater(len(ours), 200)
        self.assertEqual(ours, said.splitlines())

    def test_every_function_is_declared_with_its_types(self):
        numbers = {
            "uint32_t": ctypes.c_uint32,
            "int32_t": ctypes.c_int32,
            "raftcore_code": ctypes.c_int32,
            "uint64_t": ctypes.c_uint64,
            "size_t": ctypes.c_size_t,
            "raftcore_slice": _abi.Slice,
        }
        self.assertGreater(len(functions()), 50)
        for name, (returns, takes) in functions().items():
            with self.subTest(name):
                ours = getattr(_abi, name[len("raftcore_") :])
                self.assertEqual(ours.restype, ctypes.c_char_p if returns == "char*" else numbers[returns])
                self.assertEqual(list(ours.argtypes), [ctypes.c_void_p if "*" in take else numbers[take] for take in takes])

    def test_every_function_is_called_by_something(self):
        package = Path(_abi.__file__).parent
        code = "".join(path.read_text() for path in package.glob("*.py"))
        unused = [name for name in functions() if not re.search(rf"(_abi\.|bare_|\b){name[9:]}[,()]", code)]
        self.assertEqual(unused, ["raftcore_set_heap", "raftcore_get_ready", "raftcore_flatten"], "readies come flat: see _ready.py")

    def test_every_constant_is_there_with_its_number(self):
        classes = (IntEnum, IntFlag)
        found = constants()
        codes = [found.pop(name) for name in ("OK", "NONE", "LAST", "FETCH_FIRST", "IGNORED")]
        self.assertEqual(codes, [0, _rounds.NONE, _rounds.LAST, _rounds.FETCH_FIRST, 2])
        self.assertEqual(found.pop("FRAME_HEADER"), raftcore.FRAME_HEADER)
        for name, value in found.items():
            group, _, member = name.partition("_")
            with self.subTest(name):
                if group in GROUPS:
                    self.assertTrue(issubclass(GROUPS[group], classes))
                    self.assertEqual(GROUPS[group][member], value)
                elif group == "E":
                    self.assertEqual(_errors.BY_CODE[value].code, value)
                elif group == "ID":
                    self.assertEqual(getattr(raftcore, name), value)
                else:
                    self.assertIn(name, ("H", "ABI_VERSION", "VERSION_MAJOR", "VERSION_MINOR", "VERSION_PATCH"))
        self.assertEqual(
            sum(len(group.__members__) for group in GROUPS.values()), sum(n.partition("_")[0] in GROUPS for n in found)
        )
        self.assertEqual(constants()["ABI_VERSION"], _abi.ABI_VERSION)
        self.assertEqual(raftcore.version(), ".".join(str(constants()[f"VERSION_{n}"]) for n in ("MAJOR", "MINOR", "PATCH")))

    def test_records_are_unpacked_as_they_lie(self):
        flat = _ready.FlatReady
        for form, struct in (
            (flat._HEAD.format, _abi.Flat),
            (flat._ENTRY, _abi.FlatEntry),
            (flat._DATA, _abi.FlatEntry),
            (flat._MESSAGE, _abi.FlatMsg),
            (flat._MESSAGE_HEAD, _abi.FlatMsg),
            (flat._PAIR, _abi.Read),
            (flat._PAIR, _abi.Done),
            (flat._DROP, _abi.Drop),
        ):
            with self.subTest(form):
                self.assertEqual(calcsize(form), ctypes.sizeof(struct))
        names = [name for name, _ in _abi.Flat._fields_]
        self.assertEqual(list(_ready._Head._fields[3:-2]), names[3:-1])
        for record in (raftcore.Status, raftcore.Peer, raftcore.Event, raftcore.Fetch, raftcore.HelloInfo):
            struct = getattr(_abi, record.__name__)
            self.assertEqual(
                list(record._fields), [name for name, _ in struct._fields_ if name not in ("struct_size", "reserved0")]
            )
        names = [name for name, _ in _abi.Config._fields_]
        self.assertEqual(list(raftcore.Config.__slots__), names[2:])
        self.assertEqual(_rounds._INPUT.size, ctypes.sizeof(_abi.Input))
        self.assertEqual(list(raftcore.Stored._fields[:7]), [name for name, _ in _abi.Stored._fields_[2:9]])


if __name__ == "__main__":
    unittest.main()
