//! One file per rule of the attributes: those in pass/ compile, run and assert; those in fail/ are
//! refused with the message beside them.

#[test]
fn rules() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
    cases.compile_fail("fail/*.rs");
}
