//! A small XML tree with ordered attributes: the CIB in a form that can be built, compared and written again.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::EngineError;

/// One element. Text between elements means nothing in a CIB and is not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// The tag.
    pub name: String,
    /// Attributes, in order of name.
    pub attributes: BTreeMap<String, String>,
    /// Elements inside.
    pub children: Vec<Element>,
}

impl Element {
    /// An element without attributes.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.attributes.insert(name.to_owned(), value.to_string());
        self
    }

    /// The same with more children.
    #[must_use]
    pub fn holding(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children);
        self
    }

    /// Reads a document.
    ///
    /// # Errors
    /// Text that is not XML.
    pub fn read(text: &str) -> Result<Self, EngineError> {
        let document = roxmltree::Document::parse(text).map_err(|e| EngineError::Xml(e.to_string()))?;
        Ok(Self::of(document.root_element()))
    }

    fn of(node: roxmltree::Node<'_, '_>) -> Self {
        Self {
            name: node.tag_name().name().to_owned(),
            attributes: node.attributes().map(|a| (a.name().to_owned(), a.value().to_owned())).collect(),
            children: node.children().filter(roxmltree::Node::is_element).map(Self::of).collect(),
        }
    }

    /// An attribute, or nothing.
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    /// The `id`, or nothing.
    pub fn id(&self) -> &str {
        self.get("id").unwrap_or_default()
    }

    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The first child of a name, made when there is none.
    pub fn child_mut(&mut self, name: &str) -> &mut Self {
        let at = self.children.iter().position(|child| child.name == name).unwrap_or_else(|| {
            self.children.push(Self::new(name));
            self.children.len() - 1
        });
        &mut self.children[at]
    }

    /// This element and everything below, in document order.
    pub fn walk(&self) -> Vec<&Self> {
        let mut all = vec![self];
        for child in &self.children {
            all.extend(child.walk());
        }
        all
    }

    /// Written with two spaces a level, attributes in order: the same tree gives the same bytes.
    pub fn write(&self) -> String {
        let mut text = String::new();
        self.write_at(0, &mut text);
        text
    }

    fn write_at(&self, level: usize, text: &mut String) {
        let indent = "  ".repeat(level);
        let _ = write!(text, "{indent}<{}", self.name);
        for (name, value) in &self.attributes {
            let _ = write!(text, " {name}=\"{}\"", escape(value));
        }
        if self.children.is_empty() {
            text.push_str("/>\n");
            return;
        }
        text.push_str(">\n");
        for child in &self.children {
            child.write_at(level + 1, text);
        }
        let _ = writeln!(text, "{indent}</{}>", self.name);
    }
}

fn escape(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
