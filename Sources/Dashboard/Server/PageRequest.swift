import NIOHTTP1

/// A request of a page, taken apart.
struct PageRequest: Sendable, Equatable {
    var method: String
    /// Between slashes, decoded.
    var path: [String]
    var query: [String: String]
    var host: String?
    var site: String?

    init(_ head: HTTPRequestHead) {
        method = head.method.rawValue
        let target = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = target[0].split(separator: "/").map { Self.decoded($0) }
        query = [:]
        if target.count > 1 {
            for pair in target[1].split(separator: "&") {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                query[Self.decoded(parts[0])] = parts.count > 1 ? Self.decoded(parts[1]) : ""
            }
        }
        host = head.headers.first(name: "host")
        site = head.headers.first(name: "sec-fetch-site")
    }

    /// Percent-encoding undone (RFC 3986 §2.1); what is no such encoding stays as it is.
    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2, let value = UInt8(hex: rest.prefix(2)) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    fileprivate init?(hex digits: ArraySlice<UInt8>) {
        self.init(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}
