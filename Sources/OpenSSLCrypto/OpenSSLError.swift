import COpenSSL

/// What OpenSSL said when it could not.
public struct OpenSSLError: Error, Sendable, CustomStringConvertible {
    /// The C function that failed.
    public let function: String
    /// Everything on OpenSSL's queue of errors, the oldest first.
    public let reasons: [String]

    public var description: String {
        "\(function): " + (reasons.isEmpty ? "no reason given" : reasons.joined(separator: "; "))
    }

    static func latest(_ function: String) -> OpenSSLError {
        var reasons: [String] = []
        while case let code = ERR_get_error(), code != 0 {
            var text = [CChar](repeating: 0, count: 256)
            ERR_error_string_n(code, &text, text.count)
            reasons.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        return OpenSSLError(function: function, reasons: reasons)
    }
}
