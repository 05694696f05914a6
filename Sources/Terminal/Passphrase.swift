import Glibc

/// Secrets that a person types, or keeps in a file: never an argument, which all of the machine could read.
public enum Passphrase {
    /// Whoever finds what is sealed may try as long as they like.
    public static let leastCharacters = 12

    /// For sealing: asked twice, so that a slip of the finger locks nobody out.
    ///
    /// - Parameter file: that holds it, `-` for standard input; nil: asked for on the terminal.
    /// - Throws: exit code 2 where there is neither file nor terminal, where it is too short, or the two differ.
    public static func new(file: String?) throws -> String {
        let passphrase: String
        if let file {
            passphrase = try line(of: file)
        } else {
            passphrase = try typed("New passphrase: ")
            guard try typed("Once more: ") == passphrase else {
                throw CommandError("the two are not the same; nothing was written", exitCode: .usage)
            }
        }
        guard passphrase.count >= leastCharacters else {
            throw CommandError(
                "a passphrase has \(leastCharacters) characters or more, this one has \(passphrase.count)",
                hint: "six random words are easy to keep",
                exitCode: .usage
            )
        }
        return passphrase
    }

    /// For opening.
    ///
    /// - Throws: exit code 2 where there is neither file nor terminal.
    public static func existing(file: String?) throws -> String {
        if let file { return try line(of: file) }
        return try typed("Passphrase: ")
    }

    /// The first line, without its end.
    private static func line(of file: String) throws -> String {
        let text = try TextFile.contents(of: file)
        return String(text.prefix { !$0.isNewline })
    }

    /// Without echo, on the terminal itself: input and output may be pipes.
    private static func typed(_ prompt: String) throws -> String {
        let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC)
        guard terminal >= 0 else {
            throw CommandError(
                "there is no terminal to ask for the passphrase on",
                hint: "give it by --passphrase-file FILE, - for standard input",
                exitCode: .usage
            )
        }
        close(terminal)
        guard let text = getpass(prompt) else {
            throw CommandError("no passphrase was read", exitCode: .usage)
        }
        defer { memset(text, 0, strlen(text)) }
        return String(cString: text)
    }
}
