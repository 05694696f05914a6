public import ArgumentParser
import Glibc

/// A program's way from arguments to exit code: the only place where one is decided.
public enum CommandLineProgram {
    /// Parses the arguments, runs the command and ends the process.
    ///
    /// - Parameters:
    ///   - sharedOptions: options with a value that every subcommand has; they may stand before its name.
    ///   - nearest: of the names that there are, the one that may have been meant; nil: none is near.
    ///   - forms: what a value must look like, by what help calls it; durations are known.
    public static func run<Root: AsyncParsableCommand>(
        _ root: Root.Type,
        sharedOptions: Set<String> = [],
        nearest: @Sendable (_ name: String, _ known: [String]) -> String? = { _, _ in nil },
        forms: [String: String] = [:]
    ) async -> Never {
        // A pipe that somebody closed is an error of a write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        do {
            let arguments = behindSubcommand(Array(CommandLine.arguments.dropFirst()), sharedOptions)
            try checkSubcommand(arguments.first, of: root, nearest)
            var command = try Root.parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            exit(ExitCode.success.rawValue)
        } catch {
            end(root, error, forms.merging(["duration": DurationArgument.form]) { given, _ in given })
        }
    }

    /// Names what is there, instead of complaining of the unknown command's options.
    private static func checkSubcommand<Root: ParsableCommand>(
        _ name: String?,
        of root: Root.Type,
        _ nearest: (String, [String]) -> String?
    ) throws {
        let known = root.configuration.subcommands.compactMap { $0.configuration.commandName }
        guard let name, !name.hasPrefix("-"), !known.isEmpty, name != "help", !known.contains(name) else { return }
        let meant = nearest(name, known).map { "did you mean \($0)? there are " } ?? ""
        throw CommandError(
            "there is no command \(name)",
            hint: meant + known.joined(separator: ", "),
            exitCode: .usage
        )
    }

    /// Behind a value that is none of its kind: what one looks like.
    static func withForm(_ text: String, _ forms: [String: String], next: String) -> String {
        let end = text.firstIndex(of: "\n") ?? text.endIndex
        let line = text[..<end]
        guard line.contains(" is invalid for '"),
            let (_, form) = forms.first(where: { line.hasSuffix("<\($0.key)>'") })
        else { return text }
        return "\(line)\n\(next) \(form)\(text[end...])"
    }

    /// `--data DIR list --all` → `list --all --data DIR`: options in front of the subcommand are its own.
    static func behindSubcommand(_ arguments: [String], _ sharedOptions: Set<String>) -> [String] {
        var leading: [String] = []
        var rest = arguments[...]
        while let argument = rest.first, argument.hasPrefix("--") {
            let name = String(argument.prefix { $0 != "=" })
            guard sharedOptions.contains(name) || argument == "--json" else { return arguments }
            let takesNext = sharedOptions.contains(name) && !argument.contains("=")
            leading += rest.prefix(takesNext ? 2 : 1)
            rest = rest.dropFirst(takesNext ? 2 : 1)
        }
        let end = rest.firstIndex(of: "--") ?? rest.endIndex
        return rest.isEmpty ? arguments : Array(rest[..<end]) + leading + Array(rest[end...])
    }

    private static func end<Root: ParsableCommand>(
        _ root: Root.Type,
        _ error: any Error,
        _ forms: [String: String]
    ) -> Never {
        let output = Output()
        switch error {
        case let error as CommandError:
            output.note(String(error.rendered(output.errorStyle, output.symbols).dropLast()))
            exit(error.exitCode.rawValue)
        case let code as ExitCode: exit(code.rawValue)
        default: break
        }
        let text = withForm(root.fullMessage(for: error), forms, next: output.symbols.next)
        let code = root.exitCode(for: error)
        if code.isSuccess {
            output.write(text.isEmpty ? "" : text + "\n")
            exit(code.rawValue)
        }
        if !text.isEmpty {
            let isError = text.hasPrefix("Error: ")
            let sign = output.errorStyle.red(output.symbols.wrong) + " "
            output.note(isError ? sign + text.dropFirst("Error: ".count) : text)
        }
        // ArgumentParser's own code for wrong usage is sysexits' 64.
        exit(code == .validationFailure ? ExitCode.usage.rawValue : code.rawValue)
    }
}
