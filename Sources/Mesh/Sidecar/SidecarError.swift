import Glibc
import NIOCore

/// Why a sidecar can't start, or be asked.
public struct SidecarError: Error, Sendable, Equatable, CustomStringConvertible {
    public struct Code: Hashable, Sendable {
        private let name: String

        /// An address that is taken, or not this machine's.
        public static let address = Code(name: "address")
        /// A name that the registry would refuse.
        public static let configuration = Code(name: "configuration")
    }

    /// Where a sidecar listens, and what for.
    public struct Listener: Sendable, Equatable {
        public struct Purpose: Hashable, Sendable {
            private let name: String

            /// Other sidecars' calls.
            public static let inbound = Purpose(name: "inbound")
            /// The application's calls.
            public static let outbound = Purpose(name: "outbound")
            /// Scrapers.
            public static let metrics = Purpose(name: "metrics")
        }

        public let purpose: Purpose
        public let port: UInt16
        /// Somebody else listens there.
        public let isTaken: Bool
    }

    public let code: Code
    public let message: String
    /// The listener that can't be had, where it is one.
    public let listener: Listener?

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
        listener = nil
    }

    /// - Parameter error: what `bind` failed with.
    init(_ purpose: Listener.Purpose, on host: String, _ port: Int, _ error: any Error) {
        let place = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        code = .address
        message = "the sidecar can't listen on \(place): \(Connector.failure(error).message)"
        listener = Listener(purpose: purpose, port: UInt16(clamping: port), isTaken: Self.isTaken(error))
    }

    public var description: String { message }

    static func isTaken(_ error: any Error) -> Bool {
        (error as? IOError)?.errnoCode == EADDRINUSE
    }
}
