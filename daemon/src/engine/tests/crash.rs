//! What a crash means.

use crate::engine::input::Input;
use crate::engine::scenario::{Run, check, check_end, plan};
use crate::engine::view;

#[test]
fn a_once_step_whose_end_nobody_saw_is_in_doubt() {
    insta::assert_snapshot!(check(
        "a: job\nb: all\na -> b",
        "
        begin
        recover
        answer a again
        ok a#0
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > recover
      running, 0 so far
      a#0 attempt 1 ended IN_DOUBT lost
      a#0 in doubt
      paused InDoubt after 0
    > answer a again
      a#0 ready
      a#0 attempt 2
      running, 0 so far
    ! start a#0 {} {"input":[{"x":1}]}
    > ok a#0
      a#0 attempt 2 ended ok
      a#0 done {"output":[{"ran":"a#0"}]}
      a Success output:1
      b started
      b done {"output":[{"ran":"a#0"}]}
      b Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success
    {"b":{"output":[{"ran":"a#0"}]}}
    "#);
    insta::assert_snapshot!(
        check_end(r#"a: job {} {"inDoubt": "FAIL"}"#, "begin\nrecover"), @"
    Failed a=Failed
    node `a` failed: the daemon ended while this attempt ran; its outcome is not known
    {}
    ");
    insta::assert_snapshot!(
        check_end(r#"a: job {} {"inDoubt": "RETRY"}"#, "begin\nrecover\nok a#0"), @r#"
    Success a=Success
    {"a":{"output":[{"ran":"a#0"}]}}
    "#);
}

#[test]
fn a_retryable_step_is_started_again_and_finished_ones_are_not() {
    insta::assert_snapshot!(check(
        "a: job\nb: get\na -> b",
        "
        begin
        ok a#0
        recover
        ok b#0
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > ok a#0
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"ran":"a#0"}]}
      a Success output:1
      b started 1 items
      b#0 attempt 1
    ! start b#0 {} {"input":[{"ran":"a#0"}]}
    > recover
      running, 0 so far
      b#0 attempt 1 ended IN_DOUBT lost
      b#0 ready
      b#0 attempt 2
    ! start b#0 {} {"input":[{"ran":"a#0"}]}
    > ok b#0
      b#0 attempt 2 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success
    {"b":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn timers_and_waits_are_set_again() {
    insta::assert_snapshot!(check(
        r#"
        a: wait {"ms": 1000}
        b: job {} {"retry": {"retryDelay": 500, "backoffType": "FIXED"}}
        settings {"timeout": 9000}
        "#,
        "
        begin
        fail b#0 EXIT 1
        tick 100
        recover
        tick 900
        ok b#0
        ",
    ), @r#"
    > begin
      began
      a started
      a waits until 1000
      b started 1 items
      b#0 attempt 1
    ! timer timeout 9000
    ! timer wait a 1000
    ! start b#0 {} {"input":[{"x":1}]}
    > fail b#0 EXIT 1
      b#0 attempt 1 ended EXIT
      b#0 again at 539
    ! timer retry b#0 539
    > tick 100
    > recover
      running, 100 so far
    ! timer timeout 9000
    ! timer wait a 1000
    ! timer retry b#0 539
    > tick 900
      b#0 ready
      b#0 attempt 2
    ! start b#0 {} {"input":[{"x":1}]}
      a done {"output":[{"x":1}]}
      a Success output:1
    > ok b#0
      b#0 attempt 2 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
      ended Success
    ! clear timeout
    ! ended Success
    Success a=Success b=Success
    {"a":{"output":[{"x":1}]},"b":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn a_cancel_that_was_under_way_ends() {
    insta::assert_snapshot!(check("a: job", "begin\ncancel\nrecover"), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > cancel
      ending: cancelled
    ! stop a#0
    > recover
      running, 0 so far
      a#0 attempt 1 ended IN_DOUBT lost
      a#0 cancelled
      a Cancelled
      ended Cancelled
    ! ended Cancelled
    Cancelled a=Cancelled
    cancelled by anna
    {}
    "#);
}

#[test]
fn attempts_that_are_known_to_run_or_never_to_have_begun_are_taken_at_their_word() {
    let plan = plan("a: job\nb: job");
    let mut run = Run::new(&plan);
    run.play("begin");
    let (a, b) = (run.jobs["a#0"].key.clone(), run.jobs["b#0"].key.clone());
    run.jobs.remove("b#0");
    run.tell(Input::Recovered { alive: [a].into(), not_begun: [b].into() });
    assert_eq!(run.jobs["b#0"].key.attempt, 2);
    run.play("ok a#0\nok b#0");
    insta::assert_snapshot!(run.outcome(), @r#"
    Success a=Success b=Success
    {"a":{"output":[{"ran":"a#0"}]},"b":{"output":[{"ran":"b#0"}]}}
    "#);
}

/// The feed says what changed and nothing large.
#[test]
fn the_feed_names_only_what_changed() {
    let plan = plan("a: job\nb: all\na -> b");
    let mut run = Run::new(&plan);
    let told = |run: &Run<'_>, from: usize| {
        let all = view::changes(run.plan, &run.state, &run.facts[from..], &[]);
        let lines = all.iter().map(|c| format!("{} {} {}", c.entity, c.created, c.fields));
        lines.collect::<Vec<_>>().join("\n")
    };
    run.play("begin");
    insta::assert_snapshot!(told(&run, 0), @r#"
    executionNodeState true {"nodeId":"a","nodeName":"a","nodeType":"job","status":"RUNNING","startTime":"1970-01-01T00:00:00.000Z"}
    execution false {"status":"RUNNING","startTime":"1970-01-01T00:00:00.000Z"}
    "#);
    let from = run.facts.len();
    run.now = 1_500;
    run.play("fail a#0 EXIT 3");
    insta::assert_snapshot!(told(&run, from), @r#"
    executionNodeState false {"status":"FAILED","endTime":"1970-01-01T00:00:01.500Z","duration":1500,"errorMessage":"failed with EXIT 3","errorDetails":{"code":"EXIT","nodeId":"a","retryCount":0,"cause":["failed with EXIT 3"]},"waiting":null}
    executionNodeState true {"nodeId":"b","nodeName":"b","nodeType":"all","status":"SKIPPED","endTime":"1970-01-01T00:00:01.500Z"}
    execution false {"status":"FAILED","pausedReason":null,"endTime":"1970-01-01T00:00:01.500Z","duration":1500,"errorMessage":"node `a` failed: failed with EXIT 3","errorDetails":{"code":"EXIT","nodeId":"a","retryCount":0,"cause":["failed with EXIT 3"]}}
    "#);
}

#[test]
fn rows_tell_what_came_in_and_out_and_each_attempt() {
    let plan = plan(
        r#"a: list {"of": [1, 2]}
        b: job {"v": "{{ item }}"} {"onError": "CONTINUE", "retry": {"maxRetries": 1, "retryDelay": 1}}
        a -> b"#,
    );
    let mut run = Run::new(&plan);
    run.play("begin\nfail b#0 EXIT 3\ntick 5\nok b#0\nok b#1");
    let rows = view::node_states(&plan, &run.state, true);
    insta::assert_snapshot!(serde_json::to_string_pretty(&rows[1]).unwrap(), @r#"
    {
      "id": "01010101-0101-0101-0101-010101010101/b/",
      "nodeId": "b",
      "nodeName": "b",
      "nodeType": "job",
      "status": "SUCCESS",
      "startTime": "1970-01-01T00:00:00.000Z",
      "endTime": "1970-01-01T00:00:00.005Z",
      "duration": 5,
      "inputData": {"input":[1,2]},
      "outputData": {"output":[{"ran":"b#0"},{"ran":"b#1"}]},
      "errorMessage": null,
      "errorDetails": null,
      "retryCount": 1,
      "maxRetries": 1,
      "progressPercentage": null,
      "position": 1,
      "configuration": {"v":"{{ item }}"},
      "iteration": "",
      "waiting": null,
      "units": [
        {
          "item": 0,
          "status": "SUCCESS",
          "attempts": [
            {
              "n": 1,
              "startedAt": "1970-01-01T00:00:00.000Z",
              "endedAt": "1970-01-01T00:00:00.000Z",
              "exit": 3,
              "error": "failed with EXIT 3"
            },
            {
              "n": 2,
              "startedAt": "1970-01-01T00:00:00.005Z",
              "endedAt": "1970-01-01T00:00:00.005Z",
              "exit": null,
              "error": null
            }
          ],
          "takenOver": false,
          "outputRef": null
        },
        {
          "item": 1,
          "status": "SUCCESS",
          "attempts": [
            {
              "n": 1,
              "startedAt": "1970-01-01T00:00:00.005Z",
              "endedAt": "1970-01-01T00:00:00.005Z",
              "exit": null,
              "error": null
            }
          ],
          "takenOver": false,
          "outputRef": null
        }
      ],
      "executionId": "01010101-0101-0101-0101-010101010101"
    }
    "#);
    let light = view::node_states(&plan, &run.state, false);
    assert!(light.iter().all(|row| row.input_data.is_null() && row.units.is_empty()));
    assert_eq!(view::retry_count(&run.state), 1);
}
