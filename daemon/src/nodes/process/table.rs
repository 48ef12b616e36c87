//! `output: TABLE`: columns aligned for people, such as `df` and `ps` print them.
//!
//! There are as many columns as the line with the fewest words has. Surplus words of the header
//! join the last name (df's `Mounted on`), the last cell takes the rest of its line.

use a2n_proto::Json;

use crate::engine::kind::NodeError;
use crate::nodes::data::members::Members;

/// The rows below the header, as objects. `names` overrides the header's names.
pub(super) fn rows(text: &str, names: &[String]) -> Result<Vec<Json>, NodeError> {
    let lines: Vec<(usize, &str)> =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
    let Some((&(_, header), body)) = lines.split_first() else { return Ok(Vec::new()) };
    let fewest = lines.iter().map(|(_, line)| line.split_whitespace().count()).min().unwrap_or(0);
    let columns = if names.is_empty() {
        unique(cells(header, fewest))
    } else {
        if let Some((n, line)) =
            lines.iter().find(|(_, line)| line.split_whitespace().count() < names.len())
        {
            let words = line.split_whitespace().count();
            let message = format!(
                "stdout line {} column 1: {words} words, but there are {} columns",
                n + 1,
                names.len()
            );
            return Err(NodeError::new("PARSE", message));
        }
        names.to_vec()
    };
    let row = |line: &str| {
        let mut members = Members::default();
        for (name, cell) in columns.iter().zip(cells(line, columns.len())) {
            members.put(name, Json::of(&cell));
        }
        members.into_item()
    };
    Ok(body.iter().map(|(_, line)| row(line)).collect())
}

/// The first words of a line, and as the last cell all that is left.
fn cells(line: &str, count: usize) -> Vec<String> {
    let mut rest = line.trim();
    let mut cells = Vec::with_capacity(count);
    while cells.len() + 1 < count {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (cell, after) = rest.split_at(end);
        cells.push(cell.to_owned());
        rest = after.trim_start();
    }
    if count > 0 {
        cells.push(rest.to_owned());
    }
    cells
}

/// A name that stands twice would hide a column: the second is `NAME_2`.
fn unique(mut names: Vec<String>) -> Vec<String> {
    for n in 1..names.len() {
        let mut count = 1;
        let name = names[n].clone();
        while names[..n].contains(&names[n]) {
            count += 1;
            names[n] = format!("{name}_{count}");
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, names: &[&str], wanted: &str) {
        let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
        let told = match rows(text, &names) {
            Ok(rows) => rows.iter().map(Json::as_str).collect::<Vec<_>>().join("\n"),
            Err(e) => format!("{}: {}", e.kind, e.message),
        };
        assert_eq!(told, wanted);
    }

    const DF: &str = "Filesystem     1K-blocks Use% Mounted on\n\
                      /dev/sda1       41151808  93% /\n\
                      tmpfs            2014004   1% /run/my disk\n";

    #[test]
    fn surplus_header_words_join_the_last_name_and_the_last_cell_takes_the_rest() {
        check(
            DF,
            &[],
            "{\"Filesystem\":\"/dev/sda1\",\"1K-blocks\":\"41151808\",\"Use%\":\"93%\",\"Mounted on\":\"/\"}\n\
             {\"Filesystem\":\"tmpfs\",\"1K-blocks\":\"2014004\",\"Use%\":\"1%\",\"Mounted on\":\"/run/my disk\"}",
        );
    }

    #[test]
    fn names_override_the_header() {
        check(
            DF,
            &["source", "size", "used", "target"],
            "{\"source\":\"/dev/sda1\",\"size\":\"41151808\",\"used\":\"93%\",\"target\":\"/\"}\n\
             {\"source\":\"tmpfs\",\"size\":\"2014004\",\"used\":\"1%\",\"target\":\"/run/my disk\"}",
        );
        check("a b\n1 2\n", &["x"], "{\"x\":\"1 2\"}");
        check(
            "a b\n1 2\n\n3\n",
            &["x", "y"],
            "PARSE: stdout line 4 column 1: 1 words, but there are 2 columns",
        );
    }

    #[test]
    fn the_line_with_the_fewest_words_counts() {
        check(
            "a b c\n1 2 3 4\n5 6\n",
            &[],
            "{\"a\":\"1\",\"b c\":\"2 3 4\"}\n{\"a\":\"5\",\"b c\":\"6\"}",
        );
        check("a a\n1 2\n", &[], "{\"a\":\"1\",\"a_2\":\"2\"}");
        check("\n  \n", &[], "");
        check("only header\n", &[], "");
        check("name\nx y\n", &[], "{\"name\":\"x y\"}");
    }
}
