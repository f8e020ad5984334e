//! Labels: on what is made, on what is changed, in what is listed.

use clap::Args;
use model::label::Label;

#[derive(Debug, Args)]
pub(crate) struct NewLabels {
    /// Label to put on it; repeat for more
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<Label>,
}

#[derive(Debug, Args)]
pub(crate) struct OtherLabels {
    /// Label to have in place of all there are; repeat for more
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<Label>,

    /// Take all labels away
    #[arg(long, conflicts_with = "labels")]
    no_labels: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LabelFilter {
    /// Only with this label, of any value or of this; repeat to ask for more
    #[arg(long = "label", value_name = "KEY[=VALUE]")]
    labels: Vec<String>,
}

impl NewLabels {
    pub(crate) fn given(self) -> Option<Vec<Label>> {
        (!self.labels.is_empty()).then_some(self.labels)
    }
}

impl OtherLabels {
    pub(crate) fn given(self) -> Option<Vec<Label>> {
        (self.no_labels || !self.labels.is_empty()).then_some(self.labels)
    }
}

impl LabelFilter {
    pub(crate) fn query(self) -> Vec<(&'static str, String)> {
        self.labels.into_iter().map(|label| ("label", label)).collect()
    }
}

/// All of them in one line.
pub(crate) fn text(labels: &[Label]) -> String {
    let pairs = labels.iter().map(|label| format!("{}={}", label.key, label.value));
    pairs.collect::<Vec<_>>().join(", ")
}

pub(crate) fn pair(text: &str) -> Result<Label, &'static str> {
    let (key, value) = text.split_once('=').ok_or("a label is KEY=VALUE")?;
    Ok(Label { key: key.to_owned(), value: value.to_owned() })
}
