//! Documents with one name, over all files that were given: each of them would take the others' place.

use std::collections::HashMap;

use super::Document;
use super::fault::Fault;

/// How the daemon calls the same, for documents that it is sent directly.
const CODE: &str = "DUPLICATE_NAME";

/// Every document whose name an earlier one has, with both places.
pub(super) fn taken(documents: &[Document]) -> Vec<Fault> {
    let mut first: HashMap<String, String> = HashMap::new();
    let mut faults = Vec::new();
    for document in documents {
        let Some(name) = document.name() else { continue };
        let here = place(document);
        match first.get(&name) {
            None => {
                first.insert(name, here);
            }
            Some(there) => {
                let message =
                    format!("name: {CODE}: the document in {there} is named `{name}` too");
                faults.push(Fault::new(message, "give each a name of its own").of(&here));
            }
        }
    }
    faults
}

/// Whether a problem that the daemon found is one of these: it is told already, with files.
pub(crate) fn is_told(path: &str, code: &str) -> bool {
    let of_document = path.strip_prefix("documents[").and_then(|rest| rest.split_once(']'));
    code == CODE && of_document.is_some_and(|(_, member)| member == ".name")
}

fn place(document: &Document) -> String {
    match document.line_of("name") {
        Some(line) => format!("{}:{line}", document.file),
        None => document.file.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::failure::Failure;
    use super::super::read_each;
    use super::*;

    /// Two documents with one name took each other's place without a word.
    #[test]
    fn a_name_that_two_documents_have_is_told_with_both_places() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let paths = [
            put("a.yaml", "nodes: []\nname: dd\n---\nname: ee\nnodes: []\n---\nnodes: []\n"),
            put("b.json", "{\n\n\"name\": \"dd\", \"nodes\": []}"),
            put("c.yaml", "# again\nname: dd\nnodes: []\n---\nnodes: []\n"),
        ];
        let given = read_each(&paths);
        assert_eq!(given.documents.len(), 6);
        let failure = Failure::from(given.faults);
        assert_eq!(failure.exit.code(), 6);
        let text = failure.text().replace(&format!("{}/", folder.path().display()), "");
        insta::assert_snapshot!(text, @r"
        b.json:3: name: DUPLICATE_NAME: the document in a.yaml:2 is named `dd` too (hint: give each a name of its own)
        c.yaml:2: name: DUPLICATE_NAME: the document in a.yaml:2 is named `dd` too (hint: give each a name of its own)
        a2n: 2 things are wrong with what was given
        ");
        assert!(is_told("documents[1].name", "DUPLICATE_NAME"));
        assert!(!is_told("documents[1].nodes[0].name", "DUPLICATE_NAME"));
    }
}
