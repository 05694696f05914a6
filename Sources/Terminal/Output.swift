public import ArgumentParser
import Glibc

/// Where a command's words go: what was asked for to stdout, everything else to stderr.
public struct Output: Sendable {
    /// Colours of stdout.
    public let style: Style
    /// Colours of stderr.
    public let errorStyle: Style
    public let symbols: Symbols

    public init(color: ColorMode = .auto) {
        style = Style(color, descriptor: STDOUT_FILENO)
        errorStyle = Style(color, descriptor: STDERR_FILENO)
        symbols = .current
    }

    /// What was asked for.
    public func write(_ text: String) {
        Self.write(Array(text.utf8), to: STDOUT_FILENO)
    }

    /// What was asked for, as bytes.
    public func write(_ bytes: [UInt8]) {
        Self.write(bytes, to: STDOUT_FILENO)
    }

    /// Notes, summaries, warnings.
    public func note(_ text: String) {
        Self.write(Array((text + "\n").utf8), to: STDERR_FILENO)
    }

    /// Asks on the terminal whether to go on.
    ///
    /// - Returns: whether the answer was `y` or `yes`.
    public func confirms(_ question: String) -> Bool {
        note(errorStyle.yellow("\(symbols.warning) \(question)"))
        note("  go on? [y/N]")
        return ["y", "yes"].contains(readLine()?.lowercased())
    }

    public func table(_ table: Table) {
        write(table.rendered(style, width: Self.width(of: STDOUT_FILENO), ellipsis: symbols.ellipsis))
    }

    public static var isOutputTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
    public static var isErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }
    public static var isInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    /// Columns of the terminal that stdout is; nil where it is none.
    public static var outputWidth: Int? { width(of: STDOUT_FILENO) }

    /// Whether stdout is a pipe that nobody reads any more.
    public static var isReaderGone: Bool {
        var stdout = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        return poll(&stdout, 1, 0) > 0 && stdout.revents & Int16(POLLERR) != 0
    }

    /// Columns of the terminal behind a descriptor; nil where it is none.
    static func width(of descriptor: Int32) -> Int? {
        guard isatty(descriptor) == 1 else { return nil }
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    /// Whoever read has gone (`| head`): there is nobody to tell, so the program ends quietly.
    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                done += count
            } else if errno == EPIPE {
                exit(EXIT_SUCCESS)
            } else if errno != EINTR, errno != EAGAIN {
                return
            }
        }
    }
}

/// Flags that every command that prints has.
public struct OutputOptions: ParsableArguments, Sendable {
    @Flag(help: "Print JSON: the promise for scripts.")
    public var json = false

    @Option(help: ArgumentHelp("Colours: auto, always or never.", valueName: "when"))
    public var color = ColorMode.auto

    public init() {}

    public var output: Output { Output(color: color) }
}
