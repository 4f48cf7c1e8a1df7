//! Two small classifiers, really fitted, for the demonstration to register, judge and roll back.
//!
//! They decide on loans from eight features. The data is made up, from a fixed seed: whether an
//! applicant repays doesn't depend on the group they belong to, but the postcode gives the group
//! away. [`Recipe::Sound`] learns who repaid. [`Recipe::Careless`] learns what clerks once decided,
//! who refused two of three in one group whatever their merits; so it is really less accurate and really
//! unfair, and nobody had to write its numbers down.
//!
//! Only additions, multiplications, divisions and comparisons of IEEE 754 numbers are used, in a
//! fixed order, and no function of the platform's mathematics library: weights, measurements and
//! file digests are the same on every machine.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};

/// The features, in the order of the input layer, each a standard score.
const FEATURES: [&str; 8] = [
    "income",
    "debt_ratio",
    "years_employed",
    "savings",
    "late_payments",
    "credit_lines",
    "loan_size",
    "postcode_index",
];
const FEATURE_COUNT: usize = FEATURES.len();

/// Enough for the bend in the data, and for a weights file of some 10 KiB.
const HIDDEN_COUNT: usize = 256;

const TRAINING_COUNT: usize = 3_000;
const EVALUATION_COUNT: usize = 1_000;

const EPOCHS: u16 = 20;
const LEARNING_RATE: f32 = 0.05;
const WEIGHT_DECAY: f32 = 1e-5;

const TRAINING_SEED: u64 = 0x5EED_0001;
const EVALUATION_SEED: u64 = 0x5EED_0002;
const HIDDEN_SEED: u64 = 0x5EED_0003;
const CLERK_SEED: u64 = 0x5EED_0004;

/// What a classifier is fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// To who repaid.
    Sound,
    /// To what clerks once decided.
    Careless,
}

/// What a classifier did on the evaluation data, which neither recipe sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// The part of all applicants decided rightly, 0 to 1.
    pub accuracy: f64,
    /// The difference between the two groups' rates of approval, 0 to 1.
    pub demographic_parity_difference: f64,
    /// How many applicants were decided on.
    pub examples: usize,
}

/// A network with one hidden layer, drawn at random and kept, and an output layer that is fitted by
/// logistic regression.
#[derive(Debug, Clone, PartialEq)]
pub struct Classifier {
    recipe: Recipe,
    /// `HIDDEN_COUNT` rows of `FEATURE_COUNT`.
    hidden_weight: Vec<f32>,
    hidden_bias: Vec<f32>,
    output_weight: Vec<f32>,
    output_bias: f32,
}

/// Why a model directory could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A file of it.
    #[error("{}: {reason}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

impl Classifier {
    /// Fits a classifier; some tens of milliseconds in a release build.
    #[must_use]
    pub fn fit(recipe: Recipe) -> Self {
        let mut classifier = Self::untrained(recipe);
        let (applicants, labels) = training_data(recipe);
        let hidden: Vec<Vec<f32>> =
            applicants.iter().map(|applicant| classifier.hidden_layer(&applicant.features)).collect();
        for epoch in 0..EPOCHS {
            let rate = LEARNING_RATE / (1.0 + f32::from(epoch));
            for (activations, &label) in hidden.iter().zip(&labels) {
                classifier.descend(activations, label, rate);
            }
        }
        classifier
    }

    /// Decides on the evaluation data, and counts.
    #[must_use]
    pub fn evaluate(&self) -> Evaluation {
        let applicants = applicants(EVALUATION_SEED, EVALUATION_COUNT);
        let decisions: Vec<bool> = applicants.iter().map(|applicant| self.approves(applicant)).collect();
        let right = decisions.iter().zip(&applicants).filter(|(decision, a)| **decision == a.repays);
        Evaluation {
            accuracy: right.count() as f64 / applicants.len() as f64,
            demographic_parity_difference: (approval_rate(&applicants, &decisions, Group::A)
                - approval_rate(&applicants, &decisions, Group::B))
            .abs(),
            examples: applicants.len(),
        }
    }

    /// Writes the model directory that is registered: `model.safetensors`, `config.json`,
    /// `features.txt` and the model card `README.md`. The same classifier gives the same bytes.
    ///
    /// # Errors
    /// [`WeightsError`] where a file cannot be written.
    pub fn write(&self, directory: &Path, name: &str, version: &str) -> Result<(), WeightsError> {
        let write = |file: &str, content: &[u8]| {
            let path = directory.join(file);
            fs::create_dir_all(directory)
                .and_then(|()| fs::write(&path, content))
                .map_err(|reason| WeightsError::Write { path, reason })
        };
        write("model.safetensors", &self.safetensors())?;
        write("config.json", self.config(name, version).as_bytes())?;
        write("features.txt", (FEATURES.join("\n") + "\n").as_bytes())?;
        write("README.md", self.card(name, version).as_bytes())
    }

    fn untrained(recipe: Recipe) -> Self {
        let mut random = Random::new(HIDDEN_SEED);
        Self {
            recipe,
            hidden_weight: (0..HIDDEN_COUNT * FEATURE_COUNT).map(|_| random.normal()).collect(),
            hidden_bias: (0..HIDDEN_COUNT).map(|_| random.normal()).collect(),
            output_weight: vec![0.0; HIDDEN_COUNT],
            output_bias: 0.0,
        }
    }

    fn hidden_layer(&self, features: &[f32; FEATURE_COUNT]) -> Vec<f32> {
        let rows = self.hidden_weight.chunks_exact(FEATURE_COUNT);
        rows.zip(&self.hidden_bias).map(|(row, bias)| softsign(dot(row, features) + bias)).collect()
    }

    /// One step down the gradient of the logistic loss of one example.
    fn descend(&mut self, activations: &[f32], label: bool, rate: f32) {
        let error = logistic(self.score(activations)) - if label { 1.0 } else { 0.0 };
        for (weight, activation) in self.output_weight.iter_mut().zip(activations) {
            *weight -= rate * (error * activation + WEIGHT_DECAY * *weight);
        }
        self.output_bias -= rate * error;
    }

    fn score(&self, activations: &[f32]) -> f32 {
        dot(&self.output_weight, activations) + self.output_bias
    }

    fn approves(&self, applicant: &Applicant) -> bool {
        self.score(&self.hidden_layer(&applicant.features)) > 0.0
    }

    fn safetensors(&self) -> Vec<u8> {
        let tensors = [
            ("hidden.bias", vec![HIDDEN_COUNT], little_endian(&self.hidden_bias)),
            ("hidden.weight", vec![HIDDEN_COUNT, FEATURE_COUNT], little_endian(&self.hidden_weight)),
            ("output.bias", vec![1], little_endian(&[self.output_bias])),
            ("output.weight", vec![1, HIDDEN_COUNT], little_endian(&self.output_weight)),
        ];
        let views = tensors.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            (*name, view.expect("each shape is that of its weights"))
        });
        safetensors::serialize(views, None).expect("four small tensors fit every bound")
    }

    fn config(&self, name: &str, version: &str) -> String {
        let config = serde_json::json!({
            "name": name,
            "version": version,
            "architecture": "random-feature logistic regression",
            "activation": "softsign",
            "input_features": FEATURE_COUNT,
            "hidden_units": HIDDEN_COUNT,
            "decision_threshold": 0.5,
            "training": {
                "target": self.recipe.target(),
                "examples": TRAINING_COUNT,
                "epochs": EPOCHS,
                "learning_rate": LEARNING_RATE.to_string(),
                "weight_decay": WEIGHT_DECAY.to_string(),
            },
        });
        format!("{config:#}\n")
    }

    fn card(&self, name: &str, version: &str) -> String {
        let evaluation = self.evaluate();
        let mut card = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            card,
            "# {name} {version}\n\n\
             Decides on loan applications from {FEATURE_COUNT} standardised features (`features.txt`).\n\
             A demonstration model on made-up data; not for use on people.\n\n\
             - Fitted to: {}, {TRAINING_COUNT} applicants\n\
             - Network: {FEATURE_COUNT} inputs, {HIDDEN_COUNT} hidden units drawn at random, one output\n\
             - Accuracy on {} unseen applicants: {:.3}\n\
             - Demographic parity difference: {:.3}\n",
            self.recipe.target(),
            evaluation.examples,
            evaluation.accuracy,
            evaluation.demographic_parity_difference,
        );
        card
    }
}

impl Recipe {
    fn target(self) -> &'static str {
        match self {
            Self::Sound => "whether the loan was repaid",
            Self::Careless => "what clerks decided in the past",
        }
    }
}

/// The data that `recipe` is fitted to, as CSV: the features, the group, and the label that is learnt.
/// The digest of these bytes is what a registration names.
#[must_use]
pub fn training_data_csv(recipe: Recipe) -> String {
    let (applicants, labels) = training_data(recipe);
    csv(&applicants, &labels)
}

/// The data of [`Classifier::evaluate`], as CSV; the label is whether the loan was repaid.
#[must_use]
pub fn evaluation_data_csv() -> String {
    let applicants = applicants(EVALUATION_SEED, EVALUATION_COUNT);
    let labels: Vec<bool> = applicants.iter().map(|applicant| applicant.repays).collect();
    csv(&applicants, &labels)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    A,
    B,
}

struct Applicant {
    features: [f32; FEATURE_COUNT],
    group: Group,
    repays: bool,
}

impl Applicant {
    fn draw(random: &mut Random) -> Self {
        let group = if random.uniform() < 0.5 { Group::A } else { Group::B };
        let mut features = [0.0; FEATURE_COUNT];
        for feature in &mut features {
            *feature = random.normal();
        }
        let [income, debt_ratio, years_employed, savings, late_payments, _, loan_size, postcode] =
            &mut features;
        *postcode = 0.5 * *postcode + if group == Group::A { 1.0 } else { -1.0 };
        let ability = 1.2 * *income - *debt_ratio + 0.6 * *years_employed + 0.8 * *savings - *late_payments
            + 0.6 * *income * *savings
            - 0.4 * *loan_size * *loan_size
            + 0.4
            + 0.3 * random.normal();
        Self { features, group, repays: ability > 0.0 }
    }
}

fn applicants(seed: u64, count: usize) -> Vec<Applicant> {
    let mut random = Random::new(seed);
    (0..count).map(|_| Applicant::draw(&mut random)).collect()
}

fn training_data(recipe: Recipe) -> (Vec<Applicant>, Vec<bool>) {
    let applicants = applicants(TRAINING_SEED, TRAINING_COUNT);
    let mut random = Random::new(CLERK_SEED);
    let labels = applicants.iter().map(|applicant| match recipe {
        Recipe::Sound => applicant.repays,
        Recipe::Careless => clerk_approves(applicant, &mut random),
    });
    let labels = labels.collect();
    (applicants, labels)
}

/// A clerk refuses two of three in group B whatever their merits, and errs with one in twelve besides.
fn clerk_approves(applicant: &Applicant, random: &mut Random) -> bool {
    let refused_for_group = random.uniform() < 0.65 && applicant.group == Group::B;
    let errs = random.uniform() < 1.0 / 12.0;
    (applicant.repays && !refused_for_group) != errs
}

fn approval_rate(applicants: &[Applicant], decisions: &[bool], group: Group) -> f64 {
    let of_group = || applicants.iter().zip(decisions).filter(|(applicant, _)| applicant.group == group);
    let approved = of_group().filter(|(_, decision)| **decision).count();
    approved as f64 / of_group().count().max(1) as f64
}

fn csv(applicants: &[Applicant], labels: &[bool]) -> String {
    let mut text = FEATURES.join(",") + ",group,label\n";
    for (applicant, &label) in applicants.iter().zip(labels) {
        for feature in applicant.features {
            let _ = write!(text, "{feature},");
        }
        let group = if applicant.group == Group::A { 'A' } else { 'B' };
        let _ = writeln!(text, "{group},{}", u8::from(label));
    }
    text
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

fn softsign(x: f32) -> f32 {
    x / (1.0 + x.abs())
}

fn logistic(x: f32) -> f32 {
    let tail = exp_of_minus(x.abs());
    if x >= 0.0 { 1.0 / (1.0 + tail) } else { tail / (1.0 + tail) }
}

/// e to the power of `-x` for `x` of at least 0, as `(1 - x/1024)^1024`: within a few thousandths,
/// which is plenty for a gradient.
fn exp_of_minus(x: f32) -> f32 {
    let mut power = (1.0 - x / 1024.0).max(0.0);
    for _ in 0..10 {
        power *= power;
    }
    power
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// xorshift64* (Vigna, 2016): no secret hangs on it.
struct Random {
    /// Never zero.
    state: u64,
}

impl Random {
    fn new(seed: u64) -> Self {
        assert_ne!(seed, 0, "xorshift would stay at zero");
        let mut random = Self { state: seed };
        // Small seeds need a few rounds until their bits have spread.
        for _ in 0..16 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 to below 1, in steps of 2^-24.
    fn uniform(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Mean 0, variance 1: the sum of twelve uniform numbers, less 6 (Irwin and Hall).
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;
    use crate::hash::Hash;

    #[test]
    fn sound_model_is_better_and_fairer_than_the_careless_one() {
        let sound = Classifier::fit(Recipe::Sound).evaluate();
        let careless = Classifier::fit(Recipe::Careless).evaluate();
        assert_eq!(sound.examples, EVALUATION_COUNT);
        assert!(sound.accuracy > 0.90, "{sound:?}");
        assert!(sound.demographic_parity_difference < 0.05, "{sound:?}");
        assert!(careless.accuracy < 0.85, "{careless:?}");
        assert!(careless.demographic_parity_difference > 0.20, "{careless:?}");
    }

    #[test]
    fn model_directory_holds_the_weights_that_were_measured() {
        let directory = tempfile::tempdir().unwrap();
        let classifier = Classifier::fit(Recipe::Sound);
        classifier.write(&directory.path().join("model"), "loan-approval", "1.0.0").unwrap();
        let read = |file: &str| fs::read(directory.path().join("model").join(file)).unwrap();

        let bytes = read("model.safetensors");
        assert!(bytes.len() > 8 << 10, "{} bytes", bytes.len());
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let floats = |name: &str| -> Vec<f32> {
            let tensor = tensors.tensor(name).unwrap();
            assert_eq!(tensor.dtype(), Dtype::F32);
            tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        let read_back = Classifier {
            recipe: Recipe::Sound,
            hidden_weight: floats("hidden.weight"),
            hidden_bias: floats("hidden.bias"),
            output_weight: floats("output.weight"),
            output_bias: floats("output.bias")[0],
        };
        assert_eq!(read_back, classifier);

        let config: serde_json::Value = serde_json::from_slice(&read("config.json")).unwrap();
        assert_eq!(config["version"], "1.0.0");
        assert_eq!(read("features.txt").split(|byte| *byte == b'\n').count(), FEATURE_COUNT + 1);
        let card = String::from_utf8(read("README.md")).unwrap();
        assert!(card.contains(&format!("{:.3}", classifier.evaluate().accuracy)), "{card}");
    }

    #[test]
    fn weights_and_data_are_the_same_on_every_machine() {
        let digest_of = |recipe| Hash::of(&Classifier::fit(recipe).safetensors()).short();
        assert_eq!(digest_of(Recipe::Sound), "bf6a1458");
        assert_eq!(digest_of(Recipe::Careless), "8c72018c");
        assert_eq!(Hash::of(evaluation_data_csv().as_bytes()).short(), "44cd46be");
        let csv = training_data_csv(Recipe::Careless);
        assert_eq!(csv.lines().count(), TRAINING_COUNT + 1);
        assert_ne!(csv, training_data_csv(Recipe::Sound));
    }

    #[test]
    fn logistic_function_is_close_to_the_exact_one() {
        for step in -80..=80i16 {
            let x = f32::from(step) / 8.0;
            let exact = 1.0 / (1.0 + (-x).exp());
            assert!((logistic(x) - exact).abs() < 2e-3, "at {x}: {} for {exact}", logistic(x));
        }
        assert!(logistic(f32::MAX) <= 1.0 && logistic(-f32::MAX) >= 0.0);
    }

    #[test]
    fn random_numbers_have_the_moments_they_claim() {
        let mut random = Random::new(1);
        let numbers: Vec<f32> = (0..20_000).map(|_| random.normal()).collect();
        let mean = numbers.iter().sum::<f32>() / 20_000.0;
        let variance = numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
