//! Texts of errors. A long text is cut, and never within a character.

use super::{Detail, Error};

#[test]
fn an_error_says_what_it_is() {
    assert!(Error::Full.to_string().len() > 10 && Error::Full.to_string() != Error::NoMem.to_string());
}

#[test]
fn a_text_is_cut_at_the_last_character_that_fits() {
    let mut detail = Detail::new();
    let odd = format!("a{}", "é".repeat(200));
    for (long, kept) in [("a".repeat(255), 255), ("a".repeat(256), 255), (odd, 255), ("é".repeat(200), 254)] {
        detail.set(format_args!("{long}"));
        assert_eq!((detail.as_str().len(), long.starts_with(detail.as_str())), (kept, true));
    }
    let split = "a".repeat(254);
    detail.set(format_args!("{split}é and more"));
    assert_eq!(detail.as_str(), split);
    detail.set(format_args!("{} of {}", 1, 2));
    assert_eq!(detail.as_str(), "1 of 2");
    assert_eq!(format!("{detail:?}"), "\"1 of 2\"");
}

/// So that no part behind the cut is written.
#[test]
fn a_text_that_is_cut_says_so_to_its_writer() {
    use core::fmt::Write as _;
    let mut detail = Detail::new();
    assert!(detail.write_str(&"a".repeat(255)).is_ok());
    assert!(detail.write_str("").is_ok() && detail.write_str("a").is_err());
}
