import Identity
import MaterializedView
import Registry
import RegistryModel
import X509

extension RegistryRoutes {
    /// By a token, by proof of a lapsed key, by the certificate that is to be renewed, or by the operator's act: whichever
    /// the request brings along, in this order.
    func issue(_ body: CertificateRequestBody, _ request: RoutedRequest) async throws -> Reply {
        if let header = request.header("authorization") { return try await join(body, header, request) }
        if let rejoin = body.rejoin { return try await self.rejoin(body, rejoin, request) }
        if let certificate = request.peer.certificate, certificate.id.subject == body.subject {
            return try await renew(body, certificate, request)
        }
        try Access.operators.check(request.peer, at: door)
        return try await answer(body, body.role, .operatorsAct, nil, request)
    }

    private func join(_ body: CertificateRequestBody, _ header: String, _ request: RoutedRequest) async throws -> Reply
    {
        let scheme = "Bearer "
        guard header.hasPrefix(scheme) else {
            throw ProblemDetails.notAllowed("Authorization must be Bearer and a join token")
        }
        let token = try JoinToken(String(header.dropFirst(scheme.count)))
        let record = try registry.view.read { try $0.token(token.hash) }
        var role: PersonRole?
        if case .person(let given)? = record?.subject { role = given }
        guard body.role == nil || body.role == role else {
            throw ProblemDetails.notAllowed("the token is not for the role \(body.role?.description ?? "")")
        }
        var bearer = request
        bearer.peer.actor = Actor(
            .token(hexadecimal(token.hash.prefix(RegistryRoutes.tokenIDBytes))),
            peer: request.peer.actor.peer
        )
        let grounds = CertificateGrounds.token(hash: token.hash, host: request.peer.host, at: registry.now().time)
        return try await answer(body, role, grounds, nil, bearer)
    }

    private func renew(
        _ body: CertificateRequestBody,
        _ certificate: Peer.Credential,
        _ request: RoutedRequest
    ) async throws -> Reply {
        guard body.role == nil || body.role == certificate.role else {
            throw ProblemDetails.notAllowed("a renewal keeps the role that the certificate has")
        }
        let grounds = CertificateGrounds.renewal(at: registry.now().time)
        return try await answer(body, certificate.role, grounds, certificate.record, request)
    }

    private func rejoin(
        _ body: CertificateRequestBody,
        _ rejoin: CertificateRequestBody.Rejoin,
        _ request: RoutedRequest
    ) async throws -> Reply {
        let leaf = rejoin.certificate
        let keyHash = try leaf.publicKeyHash()
        let record = try registry.view.read { try $0.certificate(leaf.serial) }
        guard let record, record.keyHash == keyHash, record.spiffeID == (try SPIFFEID(certificate: leaf).description)
        else {
            throw ProblemDetails.notAllowed("no such certificate is on record", hint: "join anew with a token")
        }
        let id = SPIFFEID(trustDomain: authority.trustDomain, subject: body.subject)
        guard record.spiffeID == id.description else {
            throw ProblemDetails.notAllowed("the certificate is of \(record.spiffeID), not of \(id)")
        }
        guard RejoinProof.isValid(rejoin.proof, of: leaf, over: body.pem) else {
            throw ProblemDetails.notAllowed("the request is not signed by the key of that certificate")
        }
        var known = request
        known.peer.actor = Actor(.spiffeID(record.spiffeID), peer: request.peer.actor.peer)
        let grounds = CertificateGrounds.rejoin(at: registry.now().time, window: rejoinWindow)
        return try await answer(body, record.role, grounds, record, known)
    }

    private func answer(
        _ body: CertificateRequestBody,
        _ role: PersonRole?,
        _ grounds: CertificateGrounds,
        _ predecessor: CertificateRecord?,
        _ request: RoutedRequest
    ) async throws -> Reply {
        let (svid, outcome) = try await authority.issue(
            body.subject,
            role: role,
            life: body.life,
            for: body.request,
            on: grounds,
            following: predecessor
        ) { command in
            try await registry.submit(
                command,
                actor: request.peer.actor,
                requestID: RequestLimits.requestID(request.header("x-request-id"))
            )
        }
        var json = JSONWriter(reservingCapacity: 2_048)
        json.beginObject()
        json.member("serial", svid.serial)
        json.member("spiffeId", svid.id.description)
        if let role { json.member("role", role.description) }
        json.member("certificate", try svid.pem)
        json.member("notAfter", svid.notAfter)
        json.member("renewAfter", svid.renewAfter)
        json.member("sequence", outcome.sequence.rawValue)
        json.endObject()
        var reply = Reply(json: json, at: outcome)
        reply.status = 201
        return reply
    }
}
