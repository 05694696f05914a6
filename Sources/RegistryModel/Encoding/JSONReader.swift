/// Reads JSON (RFC 8259) by walking it: no tree, no copy but of the strings that are asked for.
///
/// It exists because a registration or heartbeat must cost about a microsecond to read, and decoders that build trees
/// cost twenty. Strict: UTF-8 only, no trailing commas, no comments, nothing behind the document, and nesting of at
/// most ``maximumDepth``.
///
/// The bytes must outlive the reader: use ``parse(_:_:)``, which keeps it to its closure.
public struct JSONReader {
    /// What the next value is.
    public enum Kind: Sendable {
        case object
        case array
        case string
        case number
        case bool
        case null
    }

    public static let maximumDepth = 32

    let bytes: UnsafeRawBufferPointer
    var position = 0
    private var depth = 0

    init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// Reads one document: `body` must take the whole value.
    ///
    /// - Throws: what `body` throws; `malformedJSON` where bytes are left over.
    public static func parse<R>(
        _ bytes: UnsafeRawBufferPointer,
        _ body: (inout JSONReader) throws(RegistryModelError) -> R
    ) throws(RegistryModelError) -> R {
        var reader = JSONReader(bytes: bytes)
        let result = try body(&reader)
        reader.skipWhitespace()
        guard reader.position == bytes.count else { throw reader.malformed("something follows the document") }
        return result
    }

    /// The same for bytes in an array.
    public static func parse<R>(
        _ bytes: [UInt8],
        _ body: (inout JSONReader) throws(RegistryModelError) -> R
    ) throws(RegistryModelError) -> R {
        let result = bytes.withUnsafeBytes { raw -> Result<R, RegistryModelError> in
            do throws(RegistryModelError) {
                return .success(try parse(raw, body))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// What comes next, without taking it.
    public mutating func peek() throws(RegistryModelError) -> Kind {
        skipWhitespace()
        guard position < bytes.count else { throw malformed("the document ends where a value is due") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        default: throw malformed("no value begins like this")
        }
    }

    /// Takes a string that holds a time as RFC 3339 writes it.
    public mutating func timestamp() throws(RegistryModelError) -> Timestamp {
        let text = try string()
        guard let time = Timestamp(rfc3339: text) else { throw malformed("no RFC 3339 time") }
        return time
    }

    /// Takes an object: `member` is called with each key and must take its value.
    public mutating func object(
        _ member: (inout JSONReader, String) throws(RegistryModelError) -> Void
    ) throws(RegistryModelError) {
        try open("{", expecting: "an object")
        skipWhitespace()
        if take("}") {
            depth -= 1
            return
        }
        repeat {
            skipWhitespace()
            let key = try string()
            skipWhitespace()
            guard take(":") else { throw malformed("a colon is due behind the key \(quoted(key))") }
            try member(&self, key)
            skipWhitespace()
        } while take(",")
        guard take("}") else { throw malformed("a comma or } is due") }
        depth -= 1
    }

    /// Takes an array: `element` is called for each and must take it.
    public mutating func array(
        _ element: (inout JSONReader) throws(RegistryModelError) -> Void
    ) throws(RegistryModelError) {
        try open("[", expecting: "an array")
        skipWhitespace()
        if take("]") {
            depth -= 1
            return
        }
        repeat {
            try element(&self)
            skipWhitespace()
        } while take(",")
        guard take("]") else { throw malformed("a comma or ] is due") }
        depth -= 1
    }

    public mutating func bool() throws(RegistryModelError) -> Bool {
        skipWhitespace()
        if takeWord("true") { return true }
        if takeWord("false") { return false }
        throw malformed("true or false is due")
    }

    /// Takes a `null`, if one is next.
    public mutating func takeNull() -> Bool {
        skipWhitespace()
        return takeWord("null")
    }

    /// A number without fraction or exponent that fits.
    public mutating func integer<I: FixedWidthInteger>(as type: I.Type = I.self) throws(RegistryModelError) -> I {
        let start = try skipNumber()
        // Digits and no more, as numbers mostly are, and few enough to fit.
        let digits = UnsafeRawBufferPointer(rebasing: bytes[start..<position])
        if digits.count <= 18, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let value = I(exactly: digits.reduce(0 as UInt64) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) })
        {
            return value
        }
        guard let text = String(validating: digits, as: UTF8.self), let value = I(text) else {
            throw malformed("a whole number from \(I.min) to \(I.max) is due", at: start)
        }
        return value
    }

    public mutating func double() throws(RegistryModelError) -> Double {
        let start = try skipNumber()
        guard let text = String(validating: bytes[start..<position], as: UTF8.self), let value = Double(text),
            value.isFinite
        else { throw malformed("a number of moderate size is due", at: start) }
        return value
    }

    /// An array of strings, at most `limit`.
    public mutating func strings(limit: Int) throws(RegistryModelError) -> [String] {
        var result: [String] = []
        try array { (reader) throws(RegistryModelError) in
            guard result.count < limit else { throw reader.malformed("more than \(limit) elements") }
            result.append(try reader.string())
        }
        return result
    }

    /// Passes over the next value, checking it.
    public mutating func skip() throws(RegistryModelError) {
        switch try peek() {
        case .object: try object { (reader, _) throws(RegistryModelError) in try reader.skip() }
        case .array: try array { (reader) throws(RegistryModelError) in try reader.skip() }
        case .string: try skipString()
        case .number: _ = try double()
        case .bool: _ = try bool()
        case .null:
            guard takeNull() else { throw malformed("null is due") }
        }
    }

    /// Takes the next value by `body`; where that fails the value is passed over, and what was wrong with it returned.
    ///
    /// - Throws: where the value itself is not JSON, so that nobody can tell where the next begins.
    public mutating func takeOrSkip<R>(
        _ body: (inout JSONReader) throws(RegistryModelError) -> R
    ) throws(RegistryModelError) -> Result<R, RegistryModelError> {
        var trial = self
        do {
            let result = try body(&trial)
            self = trial
            return .success(result)
        } catch {
            let failure = error
            try skip()
            return .failure(failure)
        }
    }

    /// Passes over the next value and gives its bytes.
    public mutating func raw() throws(RegistryModelError) -> UnsafeRawBufferPointer {
        skipWhitespace()
        let start = position
        try skip()
        return UnsafeRawBufferPointer(rebasing: bytes[start..<position])
    }

    /// An error that names the place.
    public func malformed(_ what: String, at offset: Int? = nil) -> RegistryModelError {
        RegistryModelError(.malformedJSON, "not the JSON that is due, at byte \(offset ?? position): \(what)")
    }
}

extension JSONReader {
    @inline(__always)
    mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    @inline(__always)
    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func takeWord(_ word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard bytes.count - position >= length else { return false }
        for index in 0..<length where bytes[position + index] != word.utf8Start[index] { return false }
        position += length
        return true
    }

    private mutating func open(_ bracket: Unicode.Scalar, expecting what: String) throws(RegistryModelError) {
        skipWhitespace()
        guard take(bracket) else { throw malformed("\(what) is due") }
        depth += 1
        guard depth <= Self.maximumDepth else { throw malformed("nested deeper than \(Self.maximumDepth)") }
    }

    /// Moves behind a number (RFC 8259 §6) and returns where it began.
    private mutating func skipNumber() throws(RegistryModelError) -> Int {
        skipWhitespace()
        let start = position
        _ = take("-")
        let leadingZero = take("0")
        if !leadingZero {
            guard skipDigits() else { throw malformed("a number is due", at: start) }
        }
        if take(".") {
            guard skipDigits() else { throw malformed("a digit is due behind the point") }
        }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            guard skipDigits() else { throw malformed("a digit is due in the exponent") }
        }
        return start
    }

    private mutating func skipDigits() -> Bool {
        let start = position
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            position += 1
        }
        return position > start
    }
}
