//! Tests of the arrangement, on pages of a few lines.

use super::{Sources, page};

const LIFE: &str = r#"
pub unsafe extern "C" fn raftcore_new(c: *const raftcore_config) -> raftcore_code {
pub unsafe extern "C" fn raftcore_boot(entry: raftcore_entry) -> raftcore_code {
"#;
const ROUNDS: &str = r#"pub unsafe extern "C" fn raftcore_tick(ticks: u32) -> raftcore_code {"#;
const CONSTANTS: &str = "
pub const RAFTCORE_OK: i32 = 0;
pub const RAFTCORE_E_NULL: i32 = -1;
pub const RAFTCORE_FLAG_A: u64 = 1;
pub const RAFTCORE_FLAG_B: u64 = 2;
";

/// In the form of cbindgen's output.
const DECLARED: &str = "
/**
 * done
 */
#define RAFTCORE_OK 0

#define RAFTCORE_E_NULL -1

/**
 * raftcore_config.flags
 *
 * short
 */
#define RAFTCORE_FLAG_A 1

#define RAFTCORE_FLAG_B 2

typedef int32_t raftcore_code;

/**
 * Bytes.
 */
typedef struct raftcore_slice {
    const uint8_t *ptr;
} raftcore_slice;

typedef struct raftcore_entry {
    /**
     * Its data.
     */
    struct raftcore_slice data;
} raftcore_entry;

typedef struct raftcore_config {
    uint32_t struct_size;
} raftcore_config;

/**
 * Makes a node.
 *
 * Returns  RAFTCORE_OK
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code raftcore_new(const struct raftcore_config *c);

RAFTCORE_API raftcore_code raftcore_boot(struct raftcore_entry entry);

RAFTCORE_API raftcore_code raftcore_tick(uint32_t ticks);
";

const TEMPLATE: &str = "@# the whole
begin
@types raftcore_code
@constants RAFTCORE_OK
@section 1  Life
@calls life
@section 2  Rounds
@calls rounds
@section Appendix
@constants RAFTCORE_E_*
@constants RAFTCORE_FLAG_* behind raftcore_config
end
";

fn made(template: &str, declared: &str, constants: &str) -> Result<String, Vec<String>> {
    let sources = Sources::of(&[("constants", constants), ("life", LIFE), ("rounds", ROUNDS)]);
    page(template, declared, &sources)
}

/// The one fault of a page.
fn fault(template: &str, declared: &str, constants: &str) -> String {
    let faults = made(template, declared, constants).expect_err("a page that should have a fault");
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.concat()
}

#[test]
fn items_stand_where_the_template_says() {
    let bar = "=".repeat(94);
    let banner = |title: &str| format!("\n\n/* {bar}\n * {title}\n * {bar} */\n\n");
    let expected = [
        "begin\n\ntypedef int32_t raftcore_code;\n\n#define RAFTCORE_OK 0 /* done */\n",
        &banner("1  Life"),
        "typedef struct raftcore_config {\n    uint32_t struct_size;\n} raftcore_config;\n\n",
        "/* raftcore_config.flags */\n#define RAFTCORE_FLAG_A UINT64_C(1) /* short */\n#define RAFTCORE_FLAG_B UINT64_C(2)\n\n",
        "/**\n * Makes a node.\n *\n * Returns  RAFTCORE_OK\n */\n",
        "RAFTCORE_API RAFTCORE_MUST_USE raftcore_code\nraftcore_new(const raftcore_config *c);\n\n",
        "/**\n * Bytes.\n */\ntypedef struct raftcore_slice {\n    const uint8_t *ptr;\n} raftcore_slice;\n\n",
        "typedef struct raftcore_entry {\n    raftcore_slice data; /* Its data. */\n} raftcore_entry;\n\n",
        "RAFTCORE_API raftcore_code\nraftcore_boot(raftcore_entry entry);\n",
        &banner("2  Rounds"),
        "RAFTCORE_API raftcore_code\nraftcore_tick(uint32_t ticks);\n",
        &banner("Appendix"),
        "#define RAFTCORE_E_NULL (-1)\n\nend\n",
    ];
    assert_eq!(made(TEMPLATE, DECLARED, CONSTANTS).unwrap(), expected.concat());
}

#[test]
fn a_function_that_is_named_leaves_its_module() {
    let template = TEMPLATE.replace("@calls rounds", "@calls rounds raftcore_*ot");
    let page = made(&template, DECLARED, CONSTANTS).unwrap();
    let place = |text: &str| page.find(text).unwrap();
    assert!(place("2  Rounds") < place("typedef struct raftcore_entry"));
    assert!(place("typedef struct raftcore_entry") < place("raftcore_boot("));
}

#[test]
fn an_item_without_a_place_is_a_fault_that_says_what_to_do() {
    let without = |line: &str| fault(&TEMPLATE.replace(line, ""), DECLARED, CONSTANTS);
    assert!(without("@constants RAFTCORE_E_*\n").contains("add a line `@constants RAFTCORE_E_*`"));
    assert!(without("@calls rounds\n").contains("add a line `@calls rounds`"));

    let alone = format!("{DECLARED}typedef struct raftcore_alone {{\n    uint32_t a;\n}} raftcore_alone;\n");
    assert!(fault(TEMPLATE, &alone, CONSTANTS).contains("name it in a line `@types`"));
}

#[test]
fn a_line_without_an_item_is_a_fault() {
    assert!(fault(&format!("{TEMPLATE}@calls many\n"), DECLARED, CONSTANTS).contains("`many`"));
    assert!(fault(&format!("{TEMPLATE}@call life\n"), DECLARED, CONSTANTS).contains("`@call life`"));
}

#[test]
fn a_constant_does_not_get_into_a_list_by_chance() {
    let declared =
        DECLARED.replace("#define RAFTCORE_E_NULL -1", "#define RAFTCORE_FLAG_CODE 3\n#define RAFTCORE_E_NULL -1");
    assert!(fault(TEMPLATE, &declared, CONSTANTS).starts_with("RAFTCORE_FLAG_CODE and RAFTCORE_FLAG_A are both"));
}

#[test]
fn a_note_that_is_too_long_stands_above() {
    let note = "A note of some length, which is longer than what fits behind the constant. ".repeat(3);
    let page = made(TEMPLATE, &DECLARED.replace("short", &note), CONSTANTS).unwrap();
    assert!(page.contains("/* raftcore_config.flags */\n\n/* A note of"), "{page}");
    let page = made(TEMPLATE, &DECLARED.replace("Its data.", &note), CONSTANTS).unwrap();
    assert!(page.contains("{\n    /* A note of"), "{page}");
    assert!(page.lines().all(|line| line.len() <= 100), "{page}");
}

#[test]
fn a_constant_is_a_plain_number() {
    assert!(fault(TEMPLATE, &DECLARED.replace("FLAG_B 2", "FLAG_B (1 << 1)"), CONSTANTS).contains("RAFTCORE_FLAG_B"));
}
