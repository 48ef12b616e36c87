//! Expressions: what is in scope, types, errors.

use crate::engine::scenario::check_end;

fn check(expression: &str) -> String {
    let config = serde_json::json!({"v": expression});
    let text = format!(
        r#"
        start: list {{"of": [{{"Use%": "95%", "n": 1.10, "big": 123456789012345678901234567890}}]}}
        this: set {config}
        start -> this
        vars {{"threshold": 90}}
        "#
    );
    let end = check_end(&text, "begin");
    let (head, data) = end.rsplit_once('\n').unwrap();
    match head.split_once('\n') {
        Some((_, error)) => error.to_owned(),
        None => {
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            data["this"]["output"][0]["v"].to_string()
        }
    }
}

#[test]
fn one_expression_keeps_its_type() {
    insta::assert_snapshot!(check("{{ item['Use%'] | replace('%','') | trim | int(0) > vars.threshold }}"), @"true");
    insta::assert_snapshot!(check(" {{ [1, 2.5, 'x', none, {'a': item.n}] }}\n"), @r#"[1,2.5,"x",null,{"a":1.1}]"#);
    insta::assert_snapshot!(check("{{ item.n }}"), @"1.1");
    insta::assert_snapshot!(check("{{- index -}}"), @"0");
    insta::assert_snapshot!(check("{{ '}}' }}"), @r#""}}""#);
}

#[test]
fn a_mixed_text_is_a_text_and_keeps_its_last_line_end() {
    insta::assert_snapshot!(check("{{ now }} is {{ item['Use%'] }} full\n"), @r#""1970-01-01T00:00:00.000Z is 95% full\n""#);
    insta::assert_snapshot!(check("{{ item.n }}{{ index }}"), @r#""1.10""#);
    insta::assert_snapshot!(check("list: {{ [1, {'a': none}] }}, {{ none }}, {{ true }}"), @r#""list: [1,{\"a\":null}], null, true""#);
    insta::assert_snapshot!(check("{% for i in range(3) %}{{ loop.index }},{% endfor %}{{ '' }}"), @r#""1,2,3,""#);
    insta::assert_snapshot!(check("no {braces} at {all"), @r#""no {braces} at {all""#);
}

#[test]
fn every_name_is_in_scope() {
    insta::assert_snapshot!(check("{{ [trigger.by, inputs.x, workflow.name, workflow.version, execution.startTime, env.HOME] }}"), @r#"["test",1,"test",1,"1970-01-01T00:00:00.000Z","/root"]"#);
    insta::assert_snapshot!(check("{{ nodes.start.status ~ nodes['start'].items[0].n ~ nodes.start.first.n ~ nodes.start.last.n }}"), @r#""SUCCESS1.11.11.1""#);
    insta::assert_snapshot!(check("{{ nodes.start.item['Use%'] }}"), @r#""95%""#);
    insta::assert_snapshot!(check("{{ nodes.start.error }}"), @"null");
}

#[test]
fn a_result_is_never_read_again() {
    insta::assert_snapshot!(check("{{ '{{ item.n }}' }}"), @r#""{{ item.n }}""#);
}

#[test]
fn a_wrong_expression_names_node_field_column_and_scope() {
    insta::assert_snapshot!(check("{{ item.nope }}"), @"node `this`, config.v, column 3: `item.nope` is undefined (in scope: item {Use%, n, big}, index, items, nodes {}, trigger, inputs {x}, vars {threshold}, workflow, execution, now, env)");
    insta::assert_snapshot!(check("it is\n  {{ nope + 1 }}"), @"node `this`, config.v, line 2, column 6: tried to use + operator on unsupported types undefined and number (`nope` is undefined) (in scope: item {Use%, n, big}, index, items, nodes {}, trigger, inputs {x}, vars {threshold}, workflow, execution, now, env)");
    insta::assert_snapshot!(check("{{ item.n | nope }}"), @"node `this`, config.v, column 13: unknown filter: filter nope is unknown (in scope: item {Use%, n, big}, index, items, nodes {}, trigger, inputs {x}, vars {threshold}, workflow, execution, now, env)");
    insta::assert_snapshot!(check("{{ item.n + 'x' }}"), @"node `this`, config.v, column 4: tried to use + operator on unsupported types number and string (in scope: item {Use%, n, big}, index, items, nodes {}, trigger, inputs {x}, vars {threshold}, workflow, execution, now, env)");
    insta::assert_snapshot!(check("{{ env.PATH }}"), @"node `this`, config.v, column 3: `env.PATH` is undefined (in scope: item {Use%, n, big}, index, items, nodes {}, trigger, inputs {x}, vars {threshold}, workflow, execution, now, env)");
    insta::assert_snapshot!(check("{{ loop.index }}"), @"node `this`, config.v, column 4: undefined value: `loop` is undefined (in scope: item {Use%, n, big}, index, items, nodes {}, trigger, inputs {x}, vars {threshold}, workflow, execution, now, env)");
    insta::assert_snapshot!(check("{{ nodes.this.item }}"), @"node `this`, config.v, column 9: this node has not ended yet (in scope: item {Use%, n, big}, index, items, nodes {this}, trigger, inputs {x}, vars {threshold}, workflow, execution, now, env)");
}

#[test]
fn losing_digits_is_an_error() {
    insta::assert_snapshot!(check("{{ 9223372036854775807 * 4 }}"), @"node `this`, config.v, column 3: 36893488147419103228 does not fit a 64-bit integer and would lose digits (in scope: item {Use%, n, big}, index, items, nodes {}, trigger, inputs {x}, vars {threshold}, workflow, execution, now, env)");
    insta::assert_snapshot!(check("{{ 1 / 0 }}"), @"node `this`, config.v, column 4: unable to calculate 1 / 0 (in scope: item {Use%, n, big}, index, items, nodes {}, trigger, inputs {x}, vars {threshold}, workflow, execution, now, env)");
}

#[test]
fn work_without_end_is_refused() {
    insta::assert_snapshot!(check("{{ 'x' * 2000000 }}"), @"node `this`, config.v, column 3: the result is larger than 1 MiB (in scope: item {Use%, n, big}, index, items, nodes {}, trigger, inputs {x}, vars {threshold}, workflow, execution, now, env)");
    insta::assert_snapshot!(check("{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}{{ '' }}"), @"node `this`, config.v, column 1: engine ran out of fuel (in scope: item {Use%, n, big}, index, items, nodes {}, trigger, inputs {x}, vars {threshold}, workflow, execution, now, env)");
}
