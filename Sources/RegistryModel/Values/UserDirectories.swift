/// Where the files of one user are, by the XDG Base Directory rules: a function of the environment alone.
///
/// A variable that is not an absolute path counts as unset, as those rules say.
public struct UserDirectories: Sendable, Equatable {
    /// `$XDG_STATE_HOME/hms`, else `~/.local/state/hms`: what outlives a restart of the machine.
    public let state: String
    /// `$XDG_RUNTIME_DIR/hms`, else `~/.hms/run`: sockets.
    public let runtime: String

    /// - Parameter environment: looks up a variable.
    /// - Returns: nil where neither the variables nor `HOME` say it.
    public init?(environment: (String) -> String?) {
        let home = Self.absolute("HOME", environment).map { $0 == "/" ? "" : $0 }
        let state = Self.absolute("XDG_STATE_HOME", environment) ?? home.map { $0 + "/.local/state" }
        let runtime =
            Self.absolute("XDG_RUNTIME_DIR", environment).map { $0 + "/hms" } ?? home.map { $0 + "/.hms/run" }
        guard let state, let runtime else { return nil }
        self.state = state + "/hms"
        self.runtime = runtime
    }

    /// The operator's socket of a registry that this user runs.
    public var registrySocket: String { runtime + "/regd.sock" }
    /// The dev registry's data.
    public var devRegistry: String { state + "/dev" }
    /// Its socket there, which is the same whatever the session's runtime directory.
    public var devRegistrySocket: String { devRegistry + "/regd.sock" }
    /// What the dev registry says while it runs.
    public var devRegistryLog: String { state + "/dev.log" }

    private static func absolute(_ name: String, _ environment: (String) -> String?) -> String? {
        guard let path = environment(name), path.hasPrefix("/") else { return nil }
        return path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }
}
