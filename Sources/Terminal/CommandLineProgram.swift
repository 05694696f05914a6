public import ArgumentParser
import Glibc

/// A program's way from arguments to exit code: the only place where one is decided.
public enum CommandLineProgram {
    /// Parses the arguments, runs the command and ends the process.
    public static func run<Root: AsyncParsableCommand>(_ root: Root.Type) async -> Never {
        // A pipe that somebody closed is an error of a write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try Root.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            exit(ExitCode.success.rawValue)
        } catch {
            end(root, error)
        }
    }

    private static func end<Root: ParsableCommand>(_ root: Root.Type, _ error: any Error) -> Never {
        let output = Output()
        switch error {
        case let error as CommandError:
            output.note(String(error.rendered(output.errorStyle, output.symbols).dropLast()))
            exit(error.exitCode.rawValue)
        case let code as ExitCode: exit(code.rawValue)
        default: break
        }
        let text = root.fullMessage(for: error)
        let code = root.exitCode(for: error)
        if code.isSuccess {
            output.write(text.isEmpty ? "" : text + "\n")
            exit(code.rawValue)
        }
        if !text.isEmpty { output.note(text) }
        // ArgumentParser's own code for wrong usage is sysexits' 64.
        exit(code == .validationFailure ? ExitCode.usage.rawValue : code.rawValue)
    }
}
