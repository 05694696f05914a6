import NIOCore
import NIOHPACK

/// HTTP/2 heads to and from the one form that calls work with (RFC 9113 §8).
extension RequestHead {
    /// - Throws: where a field could not stand in an HTTP/1 message, or a pseudo-field is missing.
    init(_ headers: HPACKHeaders, endsStream: Bool) throws(BadMessage) {
        var block = FieldBlock()
        var method: String?
        var path: String?
        var authority: String?
        var size = 0
        for (name, value, _) in headers {
            size += name.utf8.count + value.utf8.count + 4
            switch name {
            case ":method": method = value
            case ":path": path = value
            case ":authority": authority = value
            default: break
            }
        }
        guard size <= HeadScanner.maximumHeadBytes, headers.count <= HeadScanner.maximumFields + 4 else {
            throw BadMessage(reason: "a head of over \(HeadScanner.maximumHeadBytes / 1_024) KiB or too many fields")
        }
        guard let method, method.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), !method.isEmpty else {
            throw BadMessage(reason: "no :method")
        }
        guard let path = method == "CONNECT" ? authority : path, !path.isEmpty,
            path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f })
        else { throw BadMessage(reason: "no :path that could go on") }
        let methodRange = block.place(method)
        let targetRange = block.place(path)
        var authorityRange: Range<UInt16>?
        if let authority, !authority.isEmpty {
            guard authority.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
                throw BadMessage(reason: "no clean :authority")
            }
            authorityRange = block.place(authority)
        }
        try block.append(headers)
        self.init(
            block: block,
            method: methodRange,
            target: targetRange,
            framing: endsStream ? .none : block.number(.contentLength).map { .length($0) } ?? .chunked,
            keepsAlive: true,
            upgrades: false,
            authority: authorityRange,
            isHTTP2: true
        )
    }

    /// For the next hop.
    func headers(path target: RequestTarget, adding added: AddedFields) -> HPACKHeaders {
        var headers = HPACKHeaders()
        headers.reserveCapacity(block.fields.count + added.fields.count + 4)
        headers.add(name: ":method", value: block.text(method))
        headers.add(name: ":path", value: target.isRoot ? "/" : block.text(target.path))
        headers.add(name: ":scheme", value: "https")
        let named = target.authority ?? authority.map(block.text) ?? block.value(.host) ?? ""
        headers.add(name: ":authority", value: named)
        headers.add(block) { $0 != .host && !$0.isHopByHop && !$0.isMesh }
        // The one hop-by-hop field that HTTP/2 has; gRPC servers want it.
        if let te = block.first(.te), block.hasPrefix(te.value, "trailers") {
            headers.add(name: "te", value: "trailers")
        }
        for field in added.fields { headers.add(name: "\(field.name)", value: field.value.description) }
        return headers
    }
}

extension ResponseHead {
    init(_ headers: HPACKHeaders, endsStream: Bool) throws(BadMessage) {
        guard let status = headers.first(name: ":status").flatMap({ Int($0) }), status >= 100, status < 600 else {
            throw BadMessage(reason: "no :status")
        }
        var block = FieldBlock()
        try block.append(headers)
        self.init(
            block: block,
            status: status,
            framing: endsStream ? .none : block.number(.contentLength).map { .length($0) } ?? .chunked,
            keepsAlive: true
        )
    }

    func headers(keepsMesh: Bool, adding added: AddedFields) -> HPACKHeaders {
        var headers = HPACKHeaders()
        headers.reserveCapacity(block.fields.count + added.fields.count + 1)
        headers.add(name: ":status", value: String(status))
        headers.add(block) { !$0.isHopByHop && (keepsMesh || !$0.isMesh) }
        for field in added.fields { headers.add(name: "\(field.name)", value: field.value.description) }
        return headers
    }
}

extension FieldBlock {
    init(trailers headers: HPACKHeaders) throws(BadMessage) {
        self.init()
        try append(headers)
        fields.removeAll { $0.known == .contentLength || $0.known == .transferEncoding || $0.known == .host }
    }

    func trailers(keepsMesh: Bool) -> HPACKHeaders {
        var headers = HPACKHeaders()
        headers.add(self) { !$0.isHopByHop && (keepsMesh || !$0.isMesh) }
        return headers
    }

    /// Takes all but pseudo-fields. Cookies, which HTTP/2 may split, come together again (RFC 9113 §8.2.3).
    fileprivate mutating func append(_ headers: HPACKHeaders) throws(BadMessage) {
        var cookies: [String] = []
        for (name, value, _) in headers where !name.hasPrefix(":") {
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
                throw BadMessage(reason: "a control character in a field")
            }
            var name = name
            let known = name.withUTF8 { KnownField(UnsafeRawBufferPointer($0)) }
            switch known {
            case .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .http2Settings:
                throw BadMessage(reason: "a field of HTTP/1 connections in HTTP/2")
            default: break
            }
            if name == "cookie" { cookies.append(value) } else { append(name, value, known) }
        }
        if !cookies.isEmpty { append("cookie", cookies.joined(separator: "; ")) }
    }

    fileprivate mutating func place(_ text: String) -> Range<UInt16> {
        let start = UInt16(clamping: bytes.readableBytes)
        bytes.writeString(text)
        return start..<UInt16(clamping: bytes.readableBytes)
    }
}

extension HPACKHeaders {
    fileprivate mutating func add(_ block: FieldBlock, where keeps: (KnownField) -> Bool) {
        for field in block.fields where keeps(field.known) {
            add(name: block.text(field.name).lowercased(), value: block.text(field.value))
        }
    }
}
