//! Just enough XML to look into S3's answers: the text of elements by name.

/// The text of every `<name>` element in `document`, in order, entities resolved.
///
/// Elements are found by name wherever they stand; S3's answers never nest an element in one of its own name.
#[must_use]
pub fn texts(document: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    document
        .split(open.as_str())
        .skip(1)
        .filter_map(|rest| rest.split_once(close.as_str()))
        .map(|(text, _)| unescape(text))
        .collect()
}

/// The text of the first `<name>` element.
#[must_use]
pub fn text(document: &str, name: &str) -> Option<String> {
    texts(document, name).into_iter().next()
}

fn unescape(text: &str) -> String {
    // `&amp;` last, or an escaped entity would be resolved twice.
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_texts_in_order_and_resolves_entities() {
        let document = "<L><Key>a&amp;lt;b</Key><Key>&lt;c&gt;</Key><Size>3</Size></L>";
        assert_eq!(texts(document, "Key"), ["a&lt;b", "<c>"]);
        assert_eq!(text(document, "Size").as_deref(), Some("3"));
        assert_eq!(text(document, "Absent"), None);
    }
}
