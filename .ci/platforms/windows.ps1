# UNTESTED. The core on Windows as a DLL, with the MSVC toolchain: run in a developer prompt, with Rust and Python installed.
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '..\..')
cargo rustc --release --features capi --crate-type cdylib
cl /std:c11 /Iinclude examples-c\minimal.c target\release\raftcore.dll.lib /Fe:target\minimal.exe
Copy-Item target\release\raftcore.dll target\
target\minimal.exe
python -m pip wheel --no-deps .\bindings\python
