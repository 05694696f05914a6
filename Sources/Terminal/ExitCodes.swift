public import ArgumentParser

/// The exit codes of all programs; scripts depend on them.
extension ExitCode {
    /// The thing asked for is not so: nothing found, damage found.
    public static let notSo = ExitCode(1)
    /// Wrong usage, or a bad configuration file.
    public static let usage = ExitCode(2)
    /// What was named could not be reached or opened.
    public static let unreachable = ExitCode(3)
    /// Not allowed.
    public static let notAllowed = ExitCode(4)
}
