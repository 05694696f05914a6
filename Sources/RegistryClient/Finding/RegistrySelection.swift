/// Which registry a program means, and what said so.
public struct RegistrySelection: Sendable, Equatable {
    public enum Source: Sendable, Equatable {
        /// `--registry`
        case option
        /// `HMS_REGISTRY`
        case environment
        /// `registry:` of a manifest.
        case manifest(file: String)
        /// None was named, and this socket answers.
        case socket
    }

    public var address: RegistryAddress
    public var source: Source

    /// The first that is named, by option, environment or manifest; where none is, the first well-known socket at which
    /// somebody answers. What is named is meant: whether it answers is not asked.
    ///
    /// - Parameters:
    ///   - manifest: the manifest's file and what it names; asked only where nothing goes before it.
    ///   - isAnswered: whether somebody listens on a Unix socket.
    /// - Returns: nil where nothing is named and no socket answers.
    /// - Throws: `bad-address`; what `manifest` throws.
    public static func choose(
        option: String?,
        environment: (String) -> String?,
        manifest: () throws -> (file: String, registry: String)?,
        isAnswered: (String) -> Bool
    ) throws -> RegistrySelection? {
        if let option, !option.isEmpty {
            return RegistrySelection(address: try RegistryAddress(option), source: .option)
        }
        if let named = environment("HMS_REGISTRY"), !named.isEmpty {
            return RegistrySelection(address: try RegistryAddress(named), source: .environment)
        }
        if let (file, registry) = try manifest() {
            return RegistrySelection(address: try RegistryAddress(registry), source: .manifest(file: file))
        }
        let sockets = RegistryAddress.wellKnownSockets(environment: environment)
        guard let socket = sockets.first(where: isAnswered) else { return nil }
        return RegistrySelection(address: try RegistryAddress(socket: socket), source: .socket)
    }
}
