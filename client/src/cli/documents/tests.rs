//! Files as people write them, hostile and broken ones with what is told.

use super::*;

const TWO: &str = "# first\nname: a\nnodes:\n  - id: x\n    config:\n      where: '{{ 1 }}'\n\
                   ---\nname: b\nnodes: []\n";

/// What is told about a text, as standard error shows it.
fn told(file: &str, text: &str) -> String {
    match read_text(file, text) {
        Ok(documents) => panic!("taken: {documents:?}"),
        Err(faults) => Failure::from(faults).text(),
    }
}

fn json(text: &str) -> String {
    let documents = read_text("a.yaml", text).unwrap();
    documents.iter().map(|document| document.json.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn several_documents_stand_in_one_file() {
    let documents = read_text("two.yaml", TWO).unwrap();
    let names: Vec<_> = documents.iter().map(Document::name).collect();
    assert_eq!(names, [Some("a".into()), Some("b".into())]);
    assert_eq!(
        documents[0].json.as_str(),
        r#"{"name":"a","nodes":[{"id":"x","config":{"where":"{{ 1 }}"}}]}"#
    );
    // As templates leave them: a mark at the end and one in a row too many are no documents.
    assert_eq!(json("---\nname: a\n---\n---\nname: b\n---\n"), r#"{"name":"a"} {"name":"b"}"#);
    assert_eq!(json("{\"name\": \"a\"}\n---\n{\"name\": \"b\"}\n"), r#"{"name":"a"} {"name":"b"}"#);
}

#[test]
fn a_path_leads_to_its_line() {
    let documents = read_text("two.yaml", TWO).unwrap();
    let lines = |n: usize, paths: &[&str]| -> Vec<_> {
        paths.iter().map(|path| documents[n].line_of(path)).collect()
    };
    assert_eq!(
        lines(0, &["name", "nodes[0].config.where", "nodes[0].type", "nodes[7]"]),
        [Some(2), Some(6), Some(4), Some(3)]
    );
    assert_eq!(lines(1, &["name"]), [Some(8)]);
}

#[test]
fn a_json_file_keeps_its_numbers_and_has_lines() {
    let text = "{\n \"name\": \"a\",\n \"n\": 1.10\n}";
    let document = read_text("a.json", text).unwrap().remove(0);
    assert_eq!(document.json.as_str(), r#"{"name":"a","n":1.10}"#);
    assert_eq!(document.line_of("n"), Some(3));
}

#[test]
fn a_member_that_stands_twice_is_refused_with_both_places() {
    let twice = "name: a\nnodes:\n  - {id: x, type: noop}\n  - id: y\n    type: noop\n    id: z\n";
    insta::assert_snapshot!(told("a.yaml", twice), @r"
    a2n: a.yaml:6:5: nodes[1].id: `id` stands twice, first in line 4
    hint: keep one of the two
    ");
    insta::assert_snapshot!(told("a.yaml", "a: 1\nb: {c: 1, c: 2}\na: 2\n'1': x\n1: y\n"), @r"
    a.yaml:2:11: b.c: `c` stands twice, first in line 2 (hint: keep one of the two)
    a.yaml:3:1: a: `a` stands twice, first in line 1 (hint: keep one of the two)
    a.yaml:5:1: 1: `1` stands twice, first in line 4 (hint: keep one of the two)
    a2n: 3 things are wrong with what was given
    ");
    insta::assert_snapshot!(told("a.json", r#"{"n":{"a":1,"a":2}}"#), @r"
    a2n: a.json:1:13: n.a: `a` stands twice, first in line 1
    hint: keep one of the two
    ");
    // The same number in two spellings is one name for a reader of YAML.
    insta::assert_snapshot!(told("a.yaml", "v:\n  11: x\n  0xB: y\n"), @r"
    a2n: a.yaml:3:3: v.0xB: `0xB` stands twice
    hint: keep one of the two
    ");
}

#[test]
fn what_is_no_yaml_is_told_in_our_words() {
    let check = |text: &str| told("a.yaml", text);
    insta::assert_snapshot!(check("name: a\nnodes:\n  - id: x\n   type: noop\n"), @r"
    a2n: a.yaml:4:4: nodes[1]: this does not line up with what stands above it
    hint: members of one mapping begin in one column, those inside it further right
    ");
    insta::assert_snapshot!(check("nodes:\n  - id: x\n\ttype: noop\n"), @r"
    a2n: a.yaml:2:9: nodes[0].id: a tab stands where only spaces may
    hint: indent with spaces
    ");
    insta::assert_snapshot!(check("triggers:\n  - cron: */5 * * * *\n"), @r"
    a2n: a.yaml:2:11: triggers[0].cron: `*/5` stands for a value, and none before it is named `&/5`
    hint: put a text that begins with `*` in quotes, or give an earlier value this name with `&`
    ");
    insta::assert_snapshot!(check("triggers:\n  - cron: * * * * *\n"), @r#"
    a2n: a.yaml:2:11: triggers[0].cron: `*` or `&` stands without a name after it
    hint: put a text that begins with `*` or `&` in quotes, as in cron: "*/5 * * * *"
    "#);
    insta::assert_snapshot!(check("nodes:\n  - where: {{ item.x }}\n"), @r"
    a2n: a.yaml:2:13: nodes[0].where: a mapping stands where a member's name is expected
    hint: put a template or text that begins with `{` or `[` in quotes
    ");
    insta::assert_snapshot!(check("a: [1\n"), @r"
    a2n: a.yaml:1:4: a[0]: a `[` is not closed
    hint: close it
    ");
    insta::assert_snapshot!(check("a: 'it's'\n"), @r"
    a2n: a.yaml:1:8: a: there is more after the closing quote
    hint: put the whole value in quotes; inside '…' a quote is written ''
    ");
    insta::assert_snapshot!(check("a: \"C:\\docs\"\n"), @r"
    a2n: a.yaml:1:4: a: a `\` stands before what it does not escape
    hint: write \\ for a backslash, or take single quotes
    ");
    insta::assert_snapshot!(check("a: \"never closed\nb: 1\n"), @r"
    a2n: a.yaml:1:4: a: a text in quotes is not closed
    hint: close the quote
    ");
    insta::assert_snapshot!(check("description: warn: disk full\n"), @r"
    a2n: a.yaml:1:18: a member begins in the middle of a text
    hint: put a text with `: ` in it in quotes; members of one mapping begin in one column
    ");
    insta::assert_snapshot!(check("a: @daily\n"), @r"
    a2n: a.yaml:1:4: a: no text begins with `@`
    hint: put a text with such a character in quotes
    ");
    insta::assert_snapshot!(check("name: a\nnodes\nvariables: {}\n"), @r"
    a2n: a.yaml:2:1: a `:` is missing after a name
    hint: members of one mapping begin in one column, those inside it further right
    ");
    insta::assert_snapshot!(check("a: .inf\n"), @r"
    a2n: a.yaml:1:4: a: `.inf` is no number that JSON has
    hint: put it in quotes
    ");
    insta::assert_snapshot!(check("a: !!int many\n"), @r"
    a2n: a.yaml:1:10: a: this value is not what its tag says
    hint: leave the tag out, or put the value in quotes
    ");
    insta::assert_snapshot!(check("a: 1\u{0}\n"), @r"
    a2n: a.yaml:1:5: a: no text begins with `␀`
    hint: put a text with such a character in quotes
    ");
    insta::assert_snapshot!(told("a.json", "{\"a\": 1,\n \"b\" 2}"), @r"
    a2n: a.json:2:6: not JSON: expected `:`
    hint: compare this place with what JSON asks for; YAML is taken from .yaml files
    ");
    insta::assert_snapshot!(told("a.json", "{\"a\": 1}\n{\"a\": 2}"), @r"
    a2n: a.json:2:1: not JSON: trailing characters
    hint: compare this place with what JSON asks for; YAML is taken from .yaml files
    ");
}

#[test]
fn a_tag_that_means_nothing_here_is_refused_with_its_place() {
    let tags = "name: a\nx: !!python/object:os.system {args: [id]}\nenv:\n  - !vault abc\n  \
                - !!binary aGk=\n!!set k: v\n";
    insta::assert_snapshot!(told("a.yaml", tags), @r"
    a.yaml:2:4: x: the tag `!!python/object:os.system` means nothing here (hint: leave it out: a document holds texts, numbers, true, false, null, lists and mappings)
    a.yaml:4:5: env[0]: the tag `!vault` means nothing here (hint: leave it out: a document holds texts, numbers, true, false, null, lists and mappings)
    a.yaml:5:5: env[1]: the tag `!!binary` means nothing here (hint: leave it out: a document holds texts, numbers, true, false, null, lists and mappings)
    a.yaml:6:1: k: the tag `!!set` means nothing here (hint: leave it out: a document holds texts, numbers, true, false, null, lists and mappings)
    a2n: 4 things are wrong with what was given
    ");
    insta::assert_snapshot!(told("a.yaml", "%TAG !y! tag:x.org,2000:\n---\na: !y!z 1\n"), @r"
    a2n: a.yaml:3:4: a: the tag `!y!z` means nothing here
    hint: leave it out: a document holds texts, numbers, true, false, null, lists and mappings
    ");
    let core = "a: !!str 1\nb: !!int 2\nc: !!float 3\nd: !!bool true\ne: !!null ~\nf: !!seq []\n\
                g: !!map {}\nh: ! 12\n";
    assert_eq!(json(core), r#"{"a":"1","b":2,"c":3.0,"d":true,"e":null,"f":[],"g":{},"h":"12"}"#);
}

#[test]
fn names_are_texts_as_they_are_written() {
    assert_eq!(
        json("1: a\ntrue: b\n0x1F: c\n1.50: d\n"),
        r#"{"1":"a","true":"b","0x1F":"c","1.50":"d"}"#
    );
    insta::assert_snapshot!(told("a.yaml", "a:\n  ? [1, 2]\n  : x\n  ~: y\n  : z\n"), @r"
    a.yaml:2:5: a: a list stands where a member's name is expected (hint: put a template or text that begins with `{` or `[` in quotes)
    a.yaml:4:3: a: nothing stands where a member's name is expected (hint: write a name before the `:`; put `null` and `~` in quotes where they are one)
    a.yaml:5:3: a: nothing stands where a member's name is expected (hint: write a name before the `:`; put `null` and `~` in quotes where they are one)
    a2n: 3 things are wrong with what was given
    ");
}

#[test]
fn anchors_are_written_out_within_reason() {
    let text = "base: &b {type: noop}\nnodes:\n  - {id: x, <<: *b}\n  - *b\n";
    assert_eq!(
        json(text),
        r#"{"base":{"type":"noop"},"nodes":[{"id":"x","type":"noop"},{"type":"noop"}]}"#
    );
    let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for n in 1..9 {
        let below = format!("*a{},", n - 1).repeat(10);
        laughs.push_str(&format!("a{n}: &a{n} [{below}]\n"));
    }
    insta::assert_snapshot!(told("a.yaml", &laughs), @r"
    a2n: a.yaml:5:18: a4[2]: the values named with `&` unfold to far more than is written
    hint: write it out instead of naming it with `&` and `*`
    ");
    insta::assert_snapshot!(told("a.yaml", "a: &a\n  b: *a\n"), @r"
    a2n: a.yaml:2:6: a.b: a value that is named with `&` holds itself
    hint: write it out instead of naming it with `&` and `*`
    ");
    insta::assert_snapshot!(told("a.yaml", "a: *nobody\nb:\n  - *no\n"), @r"
    a.yaml:1:4: a: `*nobody` stands for a value, and none before it is named `&nobody` (hint: put a text that begins with `*` in quotes, or give an earlier value this name with `&`)
    a.yaml:3:5: b[0]: `*no` stands for a value, and none before it is named `&no` (hint: put a text that begins with `*` in quotes, or give an earlier value this name with `&`)
    a2n: 2 things are wrong with what was given
    ");
    insta::assert_snapshot!(told("a.yaml", "a: &a 1\nb: {<<: *a}\n"), @r"
    a2n: a.yaml:1:7: a: what `<<` merges in is not a mapping
    hint: name a mapping after it
    ");
}

#[test]
fn a_hostile_file_is_refused() {
    for deep in ["[".repeat(500), "- ".repeat(500), "{a: ".repeat(500)] {
        let told = told("a.yaml", &deep);
        assert!(told.contains("nested deeper than 64 levels"), "{told}");
    }
    // Each level is shallow; unfolded they are not.
    let mut deep = String::from("a0: &a0 [x]\n");
    for n in 1..70 {
        deep.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    let unfolded = told("a.yaml", &deep);
    assert!(unfolded.contains("nested deeper than 64 levels"), "{unfolded}");
    let most = format!("{}{}", "[".repeat(64), "]".repeat(64));
    assert_eq!(json(&most), most);
    let many = "- !x y\n".repeat(10_000);
    assert_eq!(told("a.yaml", &many).lines().count(), 52);
    let long = format!("{0}: 1\n{0}: 2\n", "n".repeat(1000));
    assert!(told("a.yaml", &long).len() < 500);
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let check = |bytes: &[u8]| match decoded(bytes.to_vec()) {
        Ok(text) => text,
        Err(fault) => Failure::from(Faults::from(fault.of("a.yaml"))).text(),
    };
    insta::assert_snapshot!(check(b"name: a\ndescription: caf\xE9\n"), @r"
    a2n: a.yaml:2:17: the byte E9 is not UTF-8
    hint: save it as UTF-8
    ");
    insta::assert_snapshot!(check(b"\xFF\xFEn\0a\0"), @r"
    a2n: a.yaml: it is UTF-16 text
    hint: save it as UTF-8
    ");
    insta::assert_snapshot!(check(&vec![b' '; MAX_FILE_BYTES + 1]), @r"
    a2n: a.yaml: it is larger than 16777216 bytes
    hint: divide it; the daemon takes documents of 1 MiB
    ");
    assert_eq!(json(&check("\u{feff}name: a\r\nn: ü\r\n".as_bytes())), r#"{"name":"a","n":"ü"}"#);
    assert_eq!(json("\u{feff}{\"name\": \"a\"}"), r#"{"name":"a"}"#);
}

#[test]
fn one_broken_file_does_not_hide_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
    put("1.yaml", b"name: a\nname: b\n");
    put("2.yaml", b"name: fine\n");
    put("3.json", b"{\"name\": }");
    put("4.yml", b"# nothing yet\n");
    put("5.yaml", b"\xFF");
    put("notes.txt", b"\xFF");
    std::os::unix::fs::symlink("nowhere", folder.path().join("6.yaml")).unwrap();
    fs::create_dir(folder.path().join("7.yaml")).unwrap();
    let missing = folder.path().join("missing.yaml");
    let given = read_each(&[folder.path().to_owned(), missing.clone()]);
    assert_eq!(given.documents.len(), 1);
    let failure = Failure::from(given.faults);
    assert_eq!(failure.exit, Exit::Invalid);
    let text = failure.text().replace(&folder.path().display().to_string(), "DIR");
    insta::assert_snapshot!(text, @r"
    DIR/1.yaml:2:1: name: `name` stands twice, first in line 1 (hint: keep one of the two)
    DIR/3.json:1:10: not JSON: expected value (hint: compare this place with what JSON asks for; YAML is taken from .yaml files)
    DIR/4.yml: there is no document in it (hint: write a workflow into it, or leave it out)
    DIR/5.yaml:1:1: the byte FF is not UTF-8 (hint: save it as UTF-8)
    DIR/6.yaml: can't be read: No such file or directory (os error 2)
    DIR/missing.yaml: can't be read: No such file or directory (os error 2)
    a2n: 6 things are wrong with what was given
    ");
    // Alone, what can't be had ends as it is: not found, not allowed.
    assert_eq!(read_all(std::slice::from_ref(&missing)).unwrap_err().exit, Exit::NotFound);
    let text = read_all(&[missing]).unwrap_err().text();
    insta::assert_snapshot!(text.replace(&folder.path().display().to_string(), "DIR"), @r"a2n: DIR/missing.yaml: can't be read: No such file or directory (os error 2)");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(read_all(&[empty.path().to_owned()]).unwrap_err().exit, Exit::NotFound);
}

#[test]
fn every_example_is_a_document() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"));
    let documents = read_all(&[folder]).unwrap();
    assert!(documents.len() >= 5);
    for document in documents {
        let read = a2n_proto::document::Document::read(&document.json);
        assert!(read.is_ok(), "{}: {read:?}", document.file);
    }
}

#[test]
fn what_looks_like_a_switch_stays_a_text() {
    assert_eq!(
        json("a: yes\nb: on\nc: true\nd: 012\n"),
        r#"{"a":"yes","b":"on","c":true,"d":"012"}"#
    );
}
