//! Recorded output in a document: it has to fit the node, and published runs do not use it.

use a2n_proto::Problem;
use a2n_proto::document::Document;

use super::warning;
use crate::engine::check::error;
use crate::engine::kind::Kinds;

pub(super) fn problems(document: &Document, kinds: &dyn Kinds, found: &mut Vec<Problem>) {
    for (number, node) in document.nodes.iter().enumerate() {
        let (Some(pinned), Some(kind)) = (&node.pinned, kinds.find(&node.kind)) else { continue };
        let known = kind.outputs(&node.config);
        let path = format!("nodes[{number}].pinned");
        for handle in pinned.keys().filter(|one| *one != "error" && !known.contains(one)) {
            found.push(error(
                &format!("{path}.{handle}"),
                "UNKNOWN_HANDLE",
                format!("node `{}` ({}) has no output `{handle}`", node.id, kind.name()),
                Some(match known.as_slice() {
                    [] => "nothing leads out of this node".to_owned(),
                    known => format!("pin one of: {}", known.join(", ")),
                }),
            ));
        }
        found.push(warning(
            &path,
            "PINNED",
            format!(
                "node `{}` has pinned output: runs of the published version ignore it",
                node.id
            ),
            Some(
                "`a2n run NAME --draft` and `a2n test` use it; take it out when you are done"
                    .into(),
            ),
        ));
    }
}
