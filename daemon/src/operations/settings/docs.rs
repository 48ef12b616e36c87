//! Writes `docs/settings.md` from the table; a test fails where the file is older than the table.
//! `UPDATE_DOCS=1 cargo test -p a2n-daemon settings` writes it.

use std::fmt::Write as _;

use super::declare::{Declaration, Kind};
use super::table::ALL;

fn page() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         Written from the code (`daemon/src/operations/settings/table.rs`); do not edit.\n\n\
         A value comes from the environment, else the configuration file, else the store\n\
         (`a2n settings set KEY VALUE`), else its default. `a2n settings ls` shows which.\n\
         In the file a key is a member of its table: `rpc.maxBatch` is `maxBatch` under `[rpc]`.\n\
         *restart*: a change holds from the next start on; the others hold at once.\n",
    );
    let mut category = "";
    for one in ALL {
        if one.category() != category {
            category = one.category();
            let _ = write!(
                page,
                "\n## {category}\n\n| key | default | values | what it does |\n|---|---|---|---|\n"
            );
        }
        let restart = if one.live { "" } else { " *restart*" };
        let _ = writeln!(
            page,
            "| `{}`<br>`{}` | {} | {} | {}{restart} |",
            one.key,
            one.environment(),
            default(one),
            one.expected(),
            one.about,
        );
    }
    page
}

fn default(one: &Declaration) -> String {
    match one.kind {
        Kind::Text { default: "", .. } | Kind::List { default: [] } | Kind::File | Kind::Rates => {
            "empty".into()
        }
        Kind::Text { default, .. } | Kind::Folders { default } => format!("`{default}`"),
        _ => format!("`{}`", one.default()),
    }
}

#[test]
fn docs_settings_md_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).unwrap();
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page,
        "docs/settings.md is older than the table: UPDATE_DOCS=1 cargo test -p a2n-daemon settings"
    );
}
