//! Items for people: a table where they are alike, JSON where they are not.

use serde_json::Value;

use super::output::{Cell, Out, Style, Table, cut};

/// Items shown of each handle.
const MOST_ITEMS: usize = 20;
/// Columns shown of each item.
const MOST_COLUMNS: usize = 6;

/// The items of a node, handle by handle.
pub(super) fn of_node(out: &Out, node: &str, handles: &Value) -> String {
    let Value::Object(handles) = handles else { return String::new() };
    if handles.get("cut") == Some(&Value::Bool(true)) {
        let size = handles.get("bytes").map(|bytes| format!(": {bytes} bytes"));
        let told = format!("{} · too large to keep{}", out.safe(node), size.unwrap_or_default());
        return format!("\n{}\n", out.styled(Style::Dim, &told));
    }
    let mut text = String::new();
    for (handle, items) in handles {
        let Value::Array(items) = items else { continue };
        if items.is_empty() {
            continue;
        }
        let n = items.len();
        let plural = if n == 1 { "" } else { "s" };
        let title = format!("{} · {} ({n} item{plural})", out.safe(node), out.safe(handle));
        text.push_str(&format!("\n{}\n", out.styled(Style::Dim, &title)));
        text.push_str(&of_list(out, items));
        if n > MOST_ITEMS {
            text.push_str(&format!("(and {} more: -o json)\n", n - MOST_ITEMS));
        }
    }
    text
}

/// A list of items: a row each.
pub(super) fn of_list(out: &Out, items: &[Value]) -> String {
    let shown = &items[..items.len().min(MOST_ITEMS)];
    let Some(columns) = columns(shown) else {
        let wide = out.width().unwrap_or(usize::MAX);
        return shown.iter().map(|item| cut(&out.safe(&item.to_string()), wide) + "\n").collect();
    };
    let mut table = Table::growing(&columns);
    for item in shown {
        table.row(columns.iter().map(|name| item.get(name).map(cell).unwrap_or_default()));
    }
    table.text(out, "")
}

/// The members that the items have, where they are objects with few of them.
fn columns(items: &[Value]) -> Option<Vec<String>> {
    let mut columns: Vec<String> = Vec::new();
    for item in items {
        for name in item.as_object()?.keys() {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
    }
    (!columns.is_empty() && columns.len() <= MOST_COLUMNS).then_some(columns)
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::default(),
        Value::String(text) => text.trim_end_matches('\n').into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::output::Format;
    use super::*;

    #[test]
    fn what_was_not_kept_is_said() {
        let shown = |handles: Value| of_node(&Out::kept(Format::Table), "read", &handles);
        assert_eq!(
            shown(json!({"cut": true, "bytes": 5000})),
            "\nread · too large to keep: 5000 bytes\n"
        );
        assert_eq!(shown(json!({"cut": true})), "\nread · too large to keep\n");
        // A handle may have any name; its items are a list.
        assert!(shown(json!({"cut": [true]})).contains("read · cut (1 item)"));
    }
}
