//! JSON text in and out of the document. The header says what cannot be kept.

use automerge::transaction::Transactable;
use automerge::{AutoCommit, AutomergeError, ObjId, ObjType, ReadDoc, ScalarValue, ScalarValueRef, ValueRef};
use serde_json::Value as Json;

/// Deeper nesting is refused on the way in and reads as null on the way out, so that nobody's change can exhaust the
/// stack of whoever reads it.
pub const MAX_DEPTH: usize = 64;

pub fn parse(text: &[u8]) -> Result<Json, String> {
    let value: Json = serde_json::from_slice(text).map_err(|e| format!("not JSON: {e}"))?;
    if depth(&value) > MAX_DEPTH {
        return Err(format!("JSON nested past {MAX_DEPTH} levels"));
    }
    Ok(value)
}

fn depth(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Json::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn number(n: &serde_json::Number) -> ScalarValue {
    if let Some(i) = n.as_i64() {
        ScalarValue::Int(i)
    } else if let Some(u) = n.as_u64() {
        ScalarValue::Uint(u)
    } else {
        ScalarValue::F64(n.as_str().parse().unwrap_or(f64::NAN))
    }
}

fn scalar(value: &Json) -> Option<ScalarValue> {
    match value {
        Json::Null => Some(ScalarValue::Null),
        Json::Bool(b) => Some(ScalarValue::Boolean(*b)),
        Json::Number(n) => Some(number(n)),
        Json::String(s) => Some(ScalarValue::Str(s.as_str().into())),
        Json::Array(_) | Json::Object(_) => None,
    }
}

pub fn put(doc: &mut AutoCommit, map: &ObjId, key: &str, value: &Json) -> Result<(), AutomergeError> {
    match value {
        Json::Object(members) => {
            let child = doc.put_object(map, key, ObjType::Map)?;
            fill_map(doc, &child, members)
        }
        Json::Array(items) => {
            let child = doc.put_object(map, key, ObjType::List)?;
            fill_list(doc, &child, items)
        }
        other => doc.put(map, key, scalar(other).unwrap_or(ScalarValue::Null)),
    }
}

pub fn fill_map(
    doc: &mut AutoCommit,
    map: &ObjId,
    members: &serde_json::Map<String, Json>,
) -> Result<(), AutomergeError> {
    members.iter().try_for_each(|(key, value)| put(doc, map, key, value))
}

fn fill_list(doc: &mut AutoCommit, list: &ObjId, items: &[Json]) -> Result<(), AutomergeError> {
    for (i, item) in items.iter().enumerate() {
        match item {
            Json::Object(members) => {
                let child = doc.insert_object(list, i, ObjType::Map)?;
                fill_map(doc, &child, members)?;
            }
            Json::Array(inner) => {
                let child = doc.insert_object(list, i, ObjType::List)?;
                fill_list(doc, &child, inner)?;
            }
            other => doc.insert(list, i, scalar(other).unwrap_or(ScalarValue::Null))?,
        }
    }
    Ok(())
}

/// What `parse`, `put` and `read` together make of a value.
pub fn normalize(value: &Json, out: &mut String) {
    match value {
        Json::Array(items) => write_list(items.iter(), out, |item, out| normalize(item, out)),
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(b.0));
            write_map(sorted.into_iter().map(|(k, v)| (k.as_str(), v)), out, |v, out| normalize(v, out));
        }
        other => write_scalar(scalar(other).as_ref().unwrap_or(&ScalarValue::Null), out),
    }
}

fn write_list<T>(items: impl Iterator<Item = T>, out: &mut String, mut each: impl FnMut(T, &mut String)) {
    out.push('[');
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(',');
        }
        each(item, out);
    }
    out.push(']');
}

fn write_map<K: AsRef<str>, T>(
    members: impl Iterator<Item = (K, T)>,
    out: &mut String,
    mut each: impl FnMut(T, &mut String),
) {
    out.push('{');
    for (i, (key, value)) in members.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(key.as_ref(), out);
        out.push(':');
        each(value, out);
    }
    out.push('}');
}

pub fn write_string(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".into()));
}

fn write_scalar(value: &ScalarValue, out: &mut String) {
    match value {
        ScalarValue::Str(s) => write_string(s, out),
        ScalarValue::Int(i) | ScalarValue::Timestamp(i) => out.push_str(&i.to_string()),
        ScalarValue::Counter(c) => out.push_str(&i64::from(c).to_string()),
        ScalarValue::Uint(u) => out.push_str(&u.to_string()),
        ScalarValue::F64(f) => write_double(*f, out),
        ScalarValue::Boolean(b) => out.push_str(if *b { "true" } else { "false" }),
        ScalarValue::Bytes(_) | ScalarValue::Unknown { .. } | ScalarValue::Null => out.push_str("null"),
    }
}

fn write_double(value: f64, out: &mut String) {
    if value.is_finite() {
        out.push_str(&serde_json::to_string(&value).unwrap_or_else(|_| "null".into()));
    } else {
        out.push_str("null");
    }
}

fn write_scalar_ref(value: &ScalarValueRef<'_>, out: &mut String) {
    match value {
        ScalarValueRef::Str(s) => write_string(s, out),
        other => write_scalar(&other.clone().into(), out),
    }
}

/// The JSON of one map, list or text object.
pub fn read(doc: &AutoCommit, object: &ObjId, kind: ObjType, level: usize, out: &mut String) {
    if level > MAX_DEPTH {
        out.push_str("null");
        return;
    }
    let value = |value: &ValueRef<'_>, id: ObjId, out: &mut String| match value {
        ValueRef::Object(kind) => read(doc, &id, *kind, level + 1, out),
        ValueRef::Scalar(s) => write_scalar_ref(s, out),
    };
    match kind {
        ObjType::Map | ObjType::Table => write_map(
            doc.map_range(object, ..).map(|item| {
                let id = item.id();
                (item.key.to_string(), (item.value, id))
            }),
            out,
            |(v, id), out| value(&v, id, out),
        ),
        ObjType::List => write_list(
            doc.list_range(object, ..).map(|item| {
                let id = item.id();
                (item.value, id)
            }),
            out,
            |(v, id), out| value(&v, id, out),
        ),
        ObjType::Text => write_string(&doc.text(object).unwrap_or_default(), out),
    }
}

/// The JSON of the value at a key, or nothing when the key is absent.
pub fn read_key(doc: &AutoCommit, map: &ObjId, key: &str) -> Option<String> {
    let (value, id) = doc.get(map, key).ok()??;
    let mut out = String::new();
    match value {
        automerge::Value::Object(kind) => read(doc, &id, kind, 1, &mut out),
        automerge::Value::Scalar(s) => write_scalar(&s, &mut out),
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use automerge::ROOT;

    fn round_trip(text: &str) -> (String, String) {
        let value = parse(text.as_bytes()).unwrap();
        let mut normal = String::new();
        normalize(&value, &mut normal);
        let mut doc = AutoCommit::new();
        put(&mut doc, &ROOT, "k", &value).unwrap();
        (normal, read_key(&doc, &ROOT, "k").unwrap())
    }

    #[test]
    fn normalize_says_what_the_document_says() {
        for text in [
            r#"{"b":1,"a":[true,null,"é😀\u0001\"",{"z":-5,"y":18446744073709551615}]}"#,
            "1.0", "1e2", "-0", "0.1", "1e400", "123456789012345678901234567890", "9007199254740993", r#""""#, "{}", "[]",
            r#"{"":1,"x":{"":{}}}"#, r#"{"a":1,"a":2}"#,
        ] {
            let (normal, read) = round_trip(text);
            assert_eq!(normal, read, "{text}");
        }
        assert_eq!(round_trip("9007199254740993").1, "9007199254740993");
        assert_eq!(round_trip("1.50").1, "1.5");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(parse(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert!(parse(deep(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(parse(deep(100_000).as_bytes()).is_err());
    }
}
