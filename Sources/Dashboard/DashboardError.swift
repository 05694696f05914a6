/// Why a dashboard can't be served.
public struct DashboardError: Error, Sendable, CustomStringConvertible {
    /// Kinds of error; new ones may come.
    public struct Code: Hashable, Sendable {
        let name: String

        /// Somebody else listens there.
        public static let addressInUse = Code(name: "address-in-use")
        /// The address is not of loopback, or can't be listened on.
        public static let badAddress = Code(name: "bad-address")
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
