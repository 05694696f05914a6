import Testing

@testable import Terminal

@Suite("Text for people")
struct TextTests {
    @Test("counts have commas", arguments: [(0, "0"), (999, "999"), (1_000, "1,000"), (24_812_345, "24,812,345")])
    func counts(value: UInt64, text: String) {
        #expect(HumanText.count(value) == text)
    }

    @Test(
        "bytes are SI",
        arguments: [
            (0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (9_700_000, "9.7 MB"), (412_000_000, "412 MB"),
            (999_600, "1.0 MB"), (.max, "18447 PB"),
        ] as [(UInt64, String)]
    )
    func bytes(value: UInt64, text: String) {
        #expect(HumanText.bytes(value) == text)
    }

    @Test(
        "durations show the two largest units",
        arguments: [
            (0.0, "0ms"), (0.4, "0.4ms"), (412, "412ms"), (999.6, "1s"), (41_000, "41s"), (272_000, "4m32s"),
            (7_200_000, "2h"), (187_200_000, "2d4h"), (315_360_000_000, "10y"), (41_040_000_000, "1y110d"),
            (-1_000, "-1s"), (.infinity, "for ever"),
        ]
    )
    func durations(milliseconds: Double, text: String) {
        #expect(HumanText.duration(milliseconds: milliseconds) == text)
    }

    @Test(
        "durations are read with their units",
        arguments: [
            ("800ms", 800), ("30s", 30_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("0s", 0),
        ] as [(String, UInt64)]
    )
    func durationArguments(text: String, milliseconds: UInt64) {
        #expect(DurationArgument(argument: text)?.milliseconds == milliseconds)
    }

    @Test(
        "anything else is no duration",
        arguments: ["", "30", "s", "-5s", "5 s", "5x", "99999999999999999d", "٣s", "1.5s"]
    )
    func notDurations(text: String) {
        #expect(DurationArgument(argument: text) == nil)
    }

    @Test("signs follow the locale; none set means UTF-8")
    func symbols() {
        #expect(Symbols.choose { _ in nil } == .unicode)
        #expect(Symbols.choose { $0 == "LANG" ? "de_DE.UTF-8" : nil } == .unicode)
        #expect(Symbols.choose { $0 == "LC_ALL" ? "C" : "en_US.utf8" } == .ascii)
        #expect(Symbols.choose { $0 == "LC_ALL" ? "" : "POSIX" } == .ascii)
    }

    @Test("a table aligns text left and numbers right, and cuts only its last column")
    func tables() {
        var table = Table([.init("NAME"), .init("COUNT", .right), .init("WHY")])
        table.append(["identity-check", "3", "heartbeat-missed, and long since"])
        table.append(["a", "1,204", "-"])
        let plain = Style(isColored: false)
        #expect(
            table.rendered(plain) == """
                NAME            COUNT  WHY
                identity-check      3  heartbeat-missed, and long since
                a               1,204  -

                """
        )
        #expect(
            table.rendered(plain, width: 40).split(separator: "\n")[1] == "identity-check      3  heartbeat-missed…"
        )
        #expect(Style(isColored: true).red("x") == "\u{1B}[31mx\u{1B}[0m")
    }

    @Test("a progress bar says how far, of what, and since when")
    func progress() {
        let line = ProgressBar.line("verifying", "instances", 12_406, of: 24_812, elapsed: .seconds(68), .unicode)
        #expect(line == "  verifying ██████████           12,406 of 24,812 instances  1:08")
    }

    @Test("options in front of the subcommand are the subcommand's")
    func sharedOptions() {
        let shared: Set<String> = ["--data"]
        func reordered(_ arguments: String...) -> [String] { CommandLineProgram.behindSubcommand(arguments, shared) }
        #expect(reordered("--data", "d", "list", "--all") == ["list", "--all", "--data", "d"])
        #expect(reordered("--data=d", "--json", "policy", "get", "a") == ["policy", "get", "a", "--data=d", "--json"])
        #expect(reordered("--help") == ["--help"])
        #expect(reordered("--data") == ["--data"])
        #expect(reordered("--data", "d", "run", "--", "--x") == ["run", "--data", "d", "--", "--x"])
        #expect(reordered("list", "--data", "d") == ["list", "--data", "d"])
    }

    @Test("an error says what, why and what next")
    func errors() {
        let error = CommandError("it broke", reasons: ["it was old"], hint: "buy a new one", exitCode: .notSo)
        #expect(error.rendered(Style(isColored: false), .unicode) == "✘ it broke\n  it was old\n→ buy a new one\n")
    }
}
