/// Where callers dial an instance.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// An IPv4 or IPv6 address, or, for an external service, a host name.
    public let host: String
    /// 1 to 65535.
    public let port: UInt16

    /// - Throws: `invalidField` where the host is neither an address nor a host name, or the port is 0.
    public init(host: String, port: UInt16) throws(RegistryModelError) {
        guard port != 0 else { throw RegistryModelError(.invalidField, "port 0 can't be dialled: give 1 to 65535") }
        guard Self.isHost(host) else {
            throw RegistryModelError(.invalidField, "\(quoted(host)) is not an IP address or host name")
        }
        self.host = host
        self.port = port
    }

    /// `10.1.3.4:17000`, `[fe80::1]:17000`
    public var description: String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// Letters, digits, `.` and `-` for names and IPv4; hexadecimal digits, `:`, `.` and a `%zone` for IPv6.
    private static func isHost(_ text: String) -> Bool {
        let bytes = text.utf8
        guard !bytes.isEmpty, bytes.count <= 253 else { return false }
        if bytes.contains(UInt8(ascii: ":")) {
            let address = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
            return address[0].utf8.filter { $0 == UInt8(ascii: ":") }.count >= 2
                && address[0].unicodeScalars.allSatisfy { $0.properties.isASCIIHexDigit || $0 == ":" || $0 == "." }
                && address.dropFirst().allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(isNameByte) }
        }
        return bytes.first != UInt8(ascii: ".") && bytes.first != UInt8(ascii: "-") && bytes.allSatisfy(isNameByte)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
