/// Something that an operator may want to read in the daemon's log.
public struct RegistryNotice: Sendable, Equatable {
    public enum Level: Sendable {
        case info
        case warning
        case error
    }

    public var level: Level
    public var message: String

    static func info(_ message: String) -> RegistryNotice {
        RegistryNotice(level: .info, message: message)
    }

    static func warning(_ message: String) -> RegistryNotice {
        RegistryNotice(level: .warning, message: message)
    }

    static func error(_ message: String) -> RegistryNotice {
        RegistryNotice(level: .error, message: message)
    }
}
