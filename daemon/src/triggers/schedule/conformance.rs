use super::*;
#[test]
fn placeholder() {
    let _ = Zone::utc();
}
