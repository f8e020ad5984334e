use std::net::IpAddr;

use serde_json::json;

use super::*;

fn fields(inner: &Value) -> Fields {
    let body = json!({ "thing": inner }).to_string();
    Fields::of_body(body.as_bytes(), "thing").unwrap()
}

fn one(value: Value) -> Fields {
    fields(&json!({ "key": value }))
}

/// The subject and the attribute of a refusal.
fn fault<T: std::fmt::Debug>(result: Result<T, Rule>) -> (Subject, String) {
    match result {
        Err(Rule::Bad { subject, at, .. }) => (subject, at),
        other => panic!("{other:?}"),
    }
}

fn at_key<T: std::fmt::Debug>(result: Result<T, Rule>) {
    assert_eq!(fault(result), (Subject::Zone, "thing.key".to_owned()));
}

#[test]
fn a_body_is_an_object_below_one_envelope() {
    for body in
        ["", "{", "[]", "null", "\"thing\"", "{}", "{\"other\":{}}", "\u{feff}{\"thing\":{}}"]
    {
        let want = (Subject::Request, "thing".to_owned());
        assert_eq!(fault(Fields::of_body(body.as_bytes(), "thing")), want, "{body}");
    }
    for inner in ["null", "[]", "1", "true", "\"x\""] {
        let body = format!("{{\"thing\":{inner}}}");
        let want = (Subject::Request, "thing".to_owned());
        assert_eq!(fault(Fields::of_body(body.as_bytes(), "thing")), want, "{body}");
    }
    let two = Fields::of_body(b"{\"thing\":{},\"more\":1}", "thing");
    assert_eq!(two.unwrap_err(), Rule::UnknownAttribute("more".to_owned()));
    assert_eq!(Fields::of_body(b" {\"thing\" : {} } ", "thing").unwrap().finish(), Ok(()));
}

#[test]
fn a_bare_body_is_the_object_itself() {
    for body in ["", "[]", "1"] {
        let want = (Subject::Request, "body".to_owned());
        assert_eq!(fault(Fields::of_bare_body(body.as_bytes())), want, "{body}");
    }
    let mut it = Fields::of_bare_body(b"{\"key\":1}").unwrap();
    let not_text = fault(it.string("key", Subject::Name));
    assert_eq!(not_text, (Subject::Name, "key".to_owned()), "no envelope in the path");
}

#[test]
fn what_is_left_over_is_not_known() {
    let mut it = fields(&json!({"a": 1, "b": null, "c": {"d": 1}}));
    it.ignore(&["a", "nothing"]);
    let inner = it.object("c", Subject::Request).unwrap().unwrap();
    assert_eq!(inner.finish(), Err(Rule::UnknownAttribute("thing.c.d".to_owned())));
    let unknown = Err(Rule::UnknownAttribute("thing.b".to_owned()));
    assert_eq!(it.finish(), unknown, "null or not");
}

#[test]
fn null_is_absent_and_still_there() {
    let mut it = one(Value::Null);
    assert!(it.has("key") && !it.has("other"));
    assert_eq!(it.string("key", Subject::Zone), Ok(None));
    assert!(!it.has("key"), "it was taken");
    at_key(one(Value::Null).required("key", Subject::Zone));
    at_key(fields(&json!({})).required("key", Subject::Zone));
}

#[test]
fn each_type_takes_its_own_and_refuses_the_others() {
    let values = [json!("7"), json!(7), json!(7.5), json!(true), json!([]), json!({})];
    for value in &values {
        let it = || one(value.clone());
        let text = it().string("key", Subject::Zone);
        let number = it().integer("key", Subject::Zone);
        let list = it().strings::<String>("key", Subject::Zone);
        let object = it().object("key", Subject::Zone);
        let array = it().array("key", Subject::Zone);
        match value {
            Value::String(_) => assert_eq!(text, Ok(Some("7".to_owned()))),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => at_key(text),
        }
        if *value == json!(7) {
            assert_eq!(number, Ok(Some(7)))
        } else {
            at_key(number)
        }
        if value.is_array() {
            assert_eq!(list, Ok(Some(vec![])))
        } else {
            at_key(list)
        }
        if value.is_object() {
            assert!(object.unwrap().is_some())
        } else {
            at_key(object)
        }
        match value {
            Value::Array(_) => assert!(array.unwrap().unwrap().is_empty()),
            Value::Object(_) => assert_eq!(array.unwrap().unwrap().len(), 1, "a lone object"),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => at_key(array),
        }
    }
}

#[test]
fn yes_and_no_are_words() {
    for (value, want) in
        [(json!("yes"), Some(true)), (json!("no"), Some(false)), (json!(null), None)]
    {
        assert_eq!(one(value).yes_no("key"), Ok(want));
    }
    for value in [json!("Yes"), json!(""), json!(true), json!(1)] {
        assert_eq!(fault(one(value).yes_no("key")), (Subject::Request, "thing.key".to_owned()));
    }
}

#[test]
fn entries_of_a_list_are_named_by_their_place() {
    let mut it = one(json!(["10.0.0.1", "x"]));
    let want = (Subject::Zone, "thing.key.1".to_owned());
    assert_eq!(fault(it.strings::<IpAddr>("key", Subject::Zone)), want);
    assert_eq!(fault(one(json!([1])).strings::<IpAddr>("key", Subject::Zone)).1, "thing.key.0");
    let mut entries = one(json!([{}, {"a": 1}])).array("key", Subject::Zone).unwrap().unwrap();
    assert_eq!(fault(entries[1].string("a", Subject::Zone)).1, "thing.key.1.a");
    assert_eq!(fault(one(json!([{}, 1])).array("key", Subject::Zone)).1, "thing.key.1");
}

#[test]
fn an_array_that_is_null_is_empty_only_where_that_is_said() {
    assert!(one(Value::Null).array("key", Subject::Zone).unwrap().is_none());
    assert!(one(Value::Null).array_or_null("key", Subject::Zone).unwrap().unwrap().is_empty());
    assert!(fields(&json!({})).array_or_null("key", Subject::Zone).unwrap().is_none());
    assert_eq!(one(json!([{}])).array_or_null("key", Subject::Zone).unwrap().unwrap().len(), 1);
}

#[test]
fn values_of_our_types_are_parsed_or_refused_in_their_words() {
    let mut it = one(json!("10.0.0.1"));
    assert_eq!(it.parsed::<IpAddr>("key", Subject::Zone), Ok(Some([10, 0, 0, 1].into())));
    assert_eq!(one(Value::Null).parsed::<IpAddr>("key", Subject::Zone), Ok(None));
    at_key(one(json!("10.0.0")).parsed::<IpAddr>("key", Subject::Zone));
}
