//! The command line: one file a subcommand.
//!
//! Answers go to stdout, the rest to stderr. What is refused, wrong or failed becomes a
//! [`failure::Failure`] with a sentence, a hint and an exit code.

use std::sync::Arc;
use std::time::Instant;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::cli::context::{ColorChoice, Context, Global};
use crate::cli::failure::Failure;
use crate::time::Clock;
use crate::timeline::prose;

pub mod answer;
pub mod attach;
pub mod attachment;
pub mod bench;
pub mod checkpoint;
pub mod complete;
pub mod completions;
pub mod context;
pub mod demo;
pub mod draft;
pub mod drift;
pub mod evaluate;
pub mod explain;
pub mod export;
pub mod failure;
pub mod founding;
pub mod gate;
pub mod git_objects;
pub mod git_verdict;
pub mod incident;
pub mod index;
pub mod infra;
pub mod ingest;
pub mod init;
pub mod input;
pub mod kept;
pub mod key;
pub mod log;
pub mod man;
pub mod model;
pub mod note;
pub mod observed;
pub mod pack;
pub mod policy;
pub mod progress;
pub mod promote;
pub mod prove;
pub mod ratify;
pub mod record;
pub mod register;
pub mod report;
pub mod retire;
pub mod rights;
pub mod rollback;
pub mod rotate;
pub mod served;
pub mod show;
pub mod status;
pub mod tables;
pub mod terminal;
pub mod timeline;
pub mod verify;
pub mod verify_source;
pub mod view;
pub mod withdraw;
pub mod witness;

/// The program's version, and that of the format it writes.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (format 1, rules 3)");

/// The signed, append-only audit ledger of model releases.
///
/// It answers with proof: which model served this environment at that moment, who put it there, on
/// what evidence, from which infra commit, and how fast was it taken back?
///
/// Start here:
///   rollbook demo                 a whole release story, from keys to verification
///   rollbook help init            make a ledger
///   rollbook help verify          judge one
///
/// Settings: flags go before ROLLBOOK_LEDGER and ROLLBOOK_KEY, these before the config file
/// (~/.config/rollbook/config.toml, or ROLLBOOK_CONFIG) with its keys `ledger` and `key`.
///
/// Exit codes: 0 done; 1 the answer is no; 2 the command line or an input is wrong; 3 the world
/// failed; 4 sound, but not anchored as asked; 5 written by a newer version.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "this is help for a terminal, which shows backticks")]
#[command(name = "rollbook", version = VERSION, verbatim_doc_comment, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    #[command(subcommand)]
    Key(key::Key),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Draft(draft::DraftCommand),
    #[command(subcommand)]
    Model(model::Model),
    Register(register::Register),
    Evaluate(evaluate::Evaluate),
    Promote(promote::Promote),
    Rollback(rollback::Rollback),
    Withdraw(withdraw::Withdraw),
    Complete(complete::Complete),
    Retire(retire::Retire),
    Drift(drift::Drift),
    #[command(subcommand)]
    Ingest(ingest::Ingest),
    #[command(subcommand)]
    Incident(incident::Incident),
    Ratify(ratify::Ratify),
    Note(note::Note),
    #[command(subcommand)]
    Attachment(attachment::AttachmentCommand),
    Status(status::Status),
    Served(served::Served),
    Timeline(timeline::Timeline),
    Report(report::Report),
    Log(log::Log),
    Show(show::Show),
    Checkpoint(checkpoint::CheckpointCommand),
    Verify(verify::Verify),
    Explain(explain::Explain),
    Gate(gate::Gate),
    #[command(subcommand)]
    Prove(prove::Prove),
    VerifyProof(prove::VerifyProof),
    #[command(subcommand)]
    Pack(pack::Pack),
    #[command(subcommand)]
    Export(export::Export),
    #[command(subcommand)]
    Witness(witness::Witness),
    #[command(subcommand)]
    Index(index::Index),
    #[command(subcommand)]
    Bench(bench::Bench),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Parses `args`, runs the command, prints what went wrong, and gives the exit code.
#[must_use]
pub fn main(args: impl IntoIterator<Item = std::ffi::OsString>) -> u8 {
    let args: Vec<_> = args.into_iter().collect();
    let wants_json = args.iter().any(|arg| arg == "--json");
    let keys_said = args.iter().filter(|arg| is_key_option(arg)).count();
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return misread(&error, wants_json),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return misread(&error, wants_json),
    };
    if keys_said > cli.global.keys.len() {
        let failure = Failure::usage("some --key stand before the command's name and some after it");
        report(&failure.hint("say them all in one place"), wants_json);
        return failure::Exit::Usage as u8;
    }
    choose_colour(cli.global.color);
    let (json, began) = (cli.global.json, Instant::now());
    match run(cli, began) {
        Ok(()) => 0,
        Err(failure) => {
            report(&failure, json);
            failure.exit as u8
        }
    }
}

/// Whether an argument is `--key`. Of an option that may stand before the command's name and after
/// it, clap keeps the last place alone: a signer would be left out without a word.
fn is_key_option(arg: &std::ffi::OsString) -> bool {
    arg == "--key" || arg.to_string_lossy().starts_with("--key=")
}

/// The whole command line, as it is parsed and as its help, completions and man pages tell it.
pub(crate) fn command() -> clap::Command {
    tidy(Cli::command())
}

/// In lists, what a command does stands without a full stop.
fn tidy(command: clap::Command) -> clap::Command {
    let about = command.get_about().map(|about| about.to_string().trim_end_matches('.').to_owned());
    let command = match about {
        Some(about) => command.about(about),
        None => command,
    };
    command.mut_subcommands(tidy)
}

/// Prints what clap has to say: help and version as they are, errors as JSON where that is asked for.
fn misread(error: &clap::Error, json: bool) -> u8 {
    if json && error.use_stderr() {
        let text = error.to_string();
        let mut lines = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").lines();
        let message = lines.by_ref().map(str::trim).collect::<Vec<_>>().join(" ");
        report(&Failure::usage(message).hint("see `rollbook help`"), true);
    } else {
        let _ = error.print();
    }
    u8::try_from(error.exit_code()).unwrap_or(2)
}

fn run(cli: Cli, began: Instant) -> Result<(), Failure> {
    let context = Context::new(cli.global)?;
    run_in(cli.command, &context, began)
}

fn run_in(command: Command, context: &Context, began: Instant) -> Result<(), Failure> {
    let outcome = dispatch(command, context);
    context.tell(format_args!("took: {} ms", began.elapsed().as_millis()));
    outcome
}

fn dispatch(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Demo(command) => command.run(context),
        Command::Init(command) => command.run(context),
        Command::Key(command) => command.run(context),
        Command::Policy(command) => command.run(context),
        Command::Draft(command) => command.run(context),
        Command::Model(command) => command.run(context),
        Command::Register(command) => command.run(context),
        Command::Evaluate(command) => command.run(context),
        Command::Promote(command) => command.run(context),
        Command::Rollback(command) => command.run(context),
        Command::Withdraw(command) => command.run(context),
        Command::Complete(command) => command.run(context),
        Command::Retire(command) => command.run(context),
        Command::Drift(command) => command.run(context),
        Command::Ingest(command) => command.run(context),
        Command::Incident(command) => command.run(context),
        Command::Ratify(command) => command.run(context),
        Command::Note(command) => command.run(context),
        Command::Attachment(command) => command.run(context),
        Command::Status(command) => command.run(context),
        Command::Served(command) => command.run(context),
        Command::Timeline(command) => command.run(context),
        Command::Report(command) => command.run(context),
        Command::Log(command) => command.run(context),
        Command::Show(command) => command.run(context),
        Command::Checkpoint(command) => command.run(context),
        Command::Verify(command) => command.run(context),
        Command::Explain(command) => command.run(context),
        Command::Gate(command) => command.run(context),
        Command::Prove(command) => command.run(context),
        Command::VerifyProof(command) => command.run(context),
        Command::Pack(command) => command.run(context),
        Command::Export(command) => command.run(context),
        Command::Witness(command) => command.run(context),
        Command::Index(command) => command.run(context),
        Command::Bench(command) => command.run(context),
        Command::Completions(command) => command.run(context),
        Command::Man(command) => command.run(context),
    }
}

/// Runs one command line of the program's own by a clock of its own, as the demonstration does.
///
/// # Errors
/// What the command ends in; a line that does not parse is our own mistake.
pub(crate) fn run_line(args: &[String], clock: Arc<dyn Clock>) -> Result<(), Failure> {
    let line = std::iter::once("rollbook").chain(args.iter().map(String::as_str));
    let cli = Cli::try_parse_from(line).map_err(Failure::usage)?;
    run_in(cli.command, &Context::new(cli.global)?.by(clock), Instant::now())
}

fn choose_colour(choice: ColorChoice) {
    match choice {
        ColorChoice::Auto => {}
        ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
        ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
    }
}

/// Says what went wrong: as JSON on stdout where JSON was asked for, else on stderr.
fn report(failure: &Failure, json: bool) {
    use std::io::Write as _;
    if failure.answered {
        return;
    }
    if json {
        let line = prose::visible_json(&failure.to_json().to_string());
        let _ = writeln!(std::io::stdout(), "{line}");
        return;
    }
    let red = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Red.into())).bold();
    let word = if failure.exit == failure::Exit::No { "refused" } else { "error" };
    for (word, failure) in
        std::iter::once((word, failure)).chain(failure.also.iter().map(|also| ("also", also)))
    {
        let message = prose::visible(&failure.message);
        let _ = writeln!(anstream::stderr(), "{red}{word}:{red:#} {message}");
        if let Some(hint) = &failure.hint {
            let _ = writeln!(anstream::stderr(), "  hint: {}", prose::visible(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
