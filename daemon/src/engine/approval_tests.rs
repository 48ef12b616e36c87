//! Who may decide, what counts, and what it comes to.

use super::*;

fn request() -> ApprovalRequest {
    ApprovalRequest {
        message: "Deploy?".into(),
        form: None,
        approvers: Approvers::default(),
        quorum: 1,
        no_self_approval: false,
        reason_required: false,
        until: None,
        on_expiry: OnExpiry::Fail,
        items: vec![Json::parse(r#"{"host":"a","n":1.10}"#).unwrap(), Json::parse("7").unwrap()],
        votes: Vec::new(),
    }
}

fn voter(n: u8, name: &str) -> Voter {
    Voter {
        user: UserId::from_bytes([n; 16]),
        name: name.into(),
        also: vec![format!("{name}@example.org"), format!("unix-{name}")],
        groups: Vec::new(),
        role: Role::User,
        may_run: false,
        is_starter: false,
    }
}

fn yes() -> Ballot {
    Ballot { decision: Decision::Approve, comment: None, form: Json::null() }
}

fn no() -> Ballot {
    Ballot { decision: Decision::Reject, ..yes() }
}

fn filled(text: &str) -> Ballot {
    Ballot { form: Json::parse(text).unwrap(), ..yes() }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn told_of(standing: &Standing) -> String {
    match standing {
        Standing::Open(open) => open.detail(),
        Standing::Decided(Outcome::Items(handles)) => {
            let (handle, items) = handles.first_key_value().unwrap();
            let items: Vec<&str> = items.iter().map(Json::as_str).collect();
            format!("{handle}: {}", items.join(" "))
        }
        Standing::Decided(other) => format!("{other:?}"),
    }
}

#[test]
fn a_quorum_of_two_takes_two_people() {
    let two = ApprovalRequest { quorum: 2, ..request() };
    let first = two.vote(&voter(1, "ann"), &yes(), at(1));
    assert_eq!(told_of(&first), "1 of 2 approved; who may run the workflow may decide");
    let Standing::Open(open) = first else { panic!("decided") };
    // The same person again counts once, with the last word.
    let again =
        open.vote(&voter(1, "ann"), &Ballot { comment: Some("sure".into()), ..yes() }, at(2));
    let Standing::Open(open) = again else { panic!("decided") };
    assert_eq!(open.votes.len(), 1);
    insta::assert_snapshot!(
        told_of(&open.vote(&voter(2, "bob"), &yes(), at(3))),
        @r#"approved: {"host":"a","n":1.10,"approval":{"decision":"APPROVED","expired":false,"decisions":[{"by":"ann","at":"1970-01-01T00:00:00.002Z","decision":"APPROVE","comment":"sure","form":null},{"by":"bob","at":"1970-01-01T00:00:00.003Z","decision":"APPROVE","comment":null,"form":null}]}} {"value":7,"approval":{"decision":"APPROVED","expired":false,"decisions":[{"by":"ann","at":"1970-01-01T00:00:00.002Z","decision":"APPROVE","comment":"sure","form":null},{"by":"bob","at":"1970-01-01T00:00:00.003Z","decision":"APPROVE","comment":null,"form":null}]}}"#
    );
    // Who has said yes may still say no, and one no decides.
    let told = told_of(&open.vote(&voter(1, "ann"), &no(), at(4)));
    assert!(told.starts_with(r#"rejected: {"host":"a""#), "{told}");
}

#[test]
fn who_may_decide() {
    let named = |users: &[&str], groups: &[&str], roles: &[Role]| ApprovalRequest {
        approvers: Approvers {
            users: users.iter().map(|name| (*name).to_owned()).collect(),
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            roles: roles.to_vec(),
        },
        no_self_approval: true,
        ..request()
    };
    let told = |request: &ApprovalRequest, voter: &Voter| match request.may_decide(voter) {
        Ok(()) => "yes".to_owned(),
        Err(refusal) => refusal.to_string(),
    };
    let bob = voter(2, "bob");
    let nobody = named(&[], &[], &[]);
    assert_eq!(told(&nobody, &bob), "you may not decide this: who may run the workflow may");
    assert_eq!(told(&nobody, &Voter { may_run: true, ..bob.clone() }), "yes");
    for name in ["bob", "BOB@example.org", "unix-bob"] {
        assert_eq!(told(&named(&[name], &[], &[]), &bob), "yes", "{name}");
    }
    // Being allowed to run it is not being asked.
    let ann = named(&["ann"], &["ops"], &[Role::Admin]);
    let runs = Voter { may_run: true, ..bob.clone() };
    assert_eq!(told(&ann, &runs), "you may not decide this: ann, group ops, role ADMIN may");
    assert_eq!(told(&ann, &Voter { groups: vec!["ops".into()], ..bob.clone() }), "yes");
    assert_eq!(told(&ann, &Voter { role: Role::Owner, ..bob.clone() }), "yes");
    let own = Voter { is_starter: true, role: Role::Owner, ..bob };
    assert!(told(&ann, &own).starts_with("you started this execution"));
}

#[test]
fn what_is_filled_in_is_checked_with_paths() {
    let schema = r#"{"type":"object","required":["window"],"additionalProperties":false,
        "properties":{"window":{"type":"integer","minimum":1},"hosts":{"type":"array",
        "items":{"type":"string","maxLength":3}}}}"#;
    let form = ApprovalRequest { form: Some(Json::parse(schema).unwrap()), ..request() };
    let form = ApprovalRequest {
        approvers: Approvers { roles: vec![Role::User], ..Approvers::default() },
        ..form
    };
    let told = |ballot: &Ballot| match form.check(&voter(1, "ann"), ballot) {
        Ok(()) => "yes".to_owned(),
        Err(Refusal::Form { faults }) => faults
            .iter()
            .map(|(path, message)| format!("{path}: {message}"))
            .collect::<Vec<_>>()
            .join("\n"),
        Err(other) => other.to_string(),
    };
    assert_eq!(told(&filled(r#"{"window":5,"hosts":["a"]}"#)), "yes");
    assert_eq!(told(&no()), "yes");
    assert_eq!(told(&yes()), "form: \"window\" is a required property");
    let said = told(&filled(r#"{"window":0,"hosts":["a","long"],"x":"{{ vars }}"}"#));
    for path in ["form.window: ", "form.hosts[1]: ", "('x' was unexpected)"] {
        assert!(said.contains(path), "{said}");
    }
    let large = format!(r#"{{"window":1,"hosts":["{}"]}}"#, "x".repeat(LARGEST_FORM));
    assert!(told(&filled(&large)).contains("65536 are allowed"));
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    assert!(told(&filled(&deep)).contains("is not of type"), "{}", told(&filled(&deep)));
    let plain = ApprovalRequest { form: None, ..form.clone() };
    let said = plain.check(&voter(1, "ann"), &filled("{}")).unwrap_err();
    assert_eq!(said, Refusal::NoForm);
}

#[test]
fn a_reason_where_one_is_wanted() {
    let anybody = Approvers { roles: vec![Role::User], ..Approvers::default() };
    let reason = ApprovalRequest { reason_required: true, approvers: anybody, ..request() };
    let check = |comment: Option<&str>| {
        let ballot = Ballot { comment: comment.map(str::to_owned), ..no() };
        reason.check(&voter(1, "ann"), &ballot)
    };
    assert_eq!(check(None), Err(Refusal::NoReason));
    assert_eq!(check(Some("  ")), Err(Refusal::NoReason));
    assert_eq!(check(Some("not today")), Ok(()));
    assert!(matches!(check(Some(&"x".repeat(LONGEST_COMMENT + 1))), Err(Refusal::TooLong { .. })));
}

#[test]
fn what_time_decides() {
    let told = |on_expiry| match (ApprovalRequest { on_expiry, quorum: 2, ..request() }).expired() {
        Ok(outcome) => told_of(&Standing::Decided(outcome)),
        Err(error) => format!("{}: {error}", error.kind),
    };
    assert!(told(OnExpiry::Approve).starts_with(r#"approved: {"host":"a","n":1.10,"approval":{"#));
    assert!(
        told(OnExpiry::Reject).contains(r#""decision":"REJECTED","expired":true,"decisions":[]"#)
    );
    assert_eq!(told(OnExpiry::Fail), "EXPIRED: nobody decided in time: 0 of 2 approved");
}
