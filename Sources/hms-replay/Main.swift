import ArgumentParser
import RegistryModel
import Replay
import Terminal

@main
enum Main {
    static func main() async {
        await CommandLineProgram.run(
            ReplayCommand.self,
            sharedOptions: SourceOptions.valueOptions,
            nearest: { NearestName.matches(for: $0, in: $1, limit: 1).first },
            forms: ["time": Moment.form]
        )
    }
}

struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hms-replay",
        abstract:
            "Audit and forensics: what a registry held at any moment, who did it, and whether the record is whole.",
        discussion: """
            Reads a data directory, live or a copy, or a directory of log segments; changes nothing. Times are \
            RFC 3339, 14:05 (the last such time, local), 15m (that long ago), now, or a sequence number; answers are \
            in UTC and say the sequence that they speak of.

            EXAMPLES
              hms-replay verify --data ./copy --checkpoint kept.note --key kept.vkey
              hms-replay explain identity-check --at 2026-11-24T14:05:12Z --data ./copy
              hms-replay state --at 15m --data ./data --json | jq .services
              hms-replay events --data ./data --service photo-validator --follow

            EXIT CODES
              0 done · 1 not so (damage found, nothing found) · 2 wrong usage · 3 what was named can't be opened
            """,
        version: ProductVersion.current,
        subcommands: [
            VerifyCommand.self, EventsCommand.self, StateCommand.self, DiffCommand.self, HistoryCommand.self,
            ExplainCommand.self, WhoCommand.self, StatsCommand.self, RebuildCommand.self, ProveCommand.self,
            WhatIfCommand.self,
            ReportCommand.self, FetchCommand.self,
        ]
    )
}
