public import RegistryModel
public import X509

/// One root that hands over to another.
public struct AuthorityRotation: Sendable {
    public enum Phase: String, Sendable {
        /// Both are believed, and the old one still signs: everybody gets to know the new one.
        case overlap
        /// The new one signs; the old one is believed until its last leaf has ended.
        case retiring
    }

    public internal(set) var phase: Phase
    public internal(set) var since: Timestamp
    /// The one that does not sign: the next in `overlap`, the last in `retiring`.
    public internal(set) var other: AuthorityGeneration
    /// The new root under the old one; nil where the old root's key is not here.
    var crossCertificate: Certificate?
}

/// A root that is believed no more, and by which whoever knows no other is still led to its successor.
public struct FormerRoot: Sendable {
    /// More than these are not remembered: the chain of the registry's door must stay short.
    static let most = 4

    public let root: Certificate
    /// Its successor, signed by it.
    let crossCertificate: Certificate
    /// From then on it is forgotten.
    public let until: Timestamp
}

/// How long the phases of a rotation last.
public struct RotationSchedule: Sendable, Equatable {
    /// Whoever holds a certificate has renewed it by then, and got the new bundle with it.
    public var overlap = CertificateAuthority.leafLife
    /// The last leaf under the old root has ended by then.
    public var retiring = CertificateAuthority.leafLife + CertificateAuthority.backdating
    /// For how long after a rotation's end the way from the old root to the new one is shown: by then no certificate of the
    /// old root is good for rejoining.
    public var remembering = Projection.rejoinWindow

    public init() {}

    /// When the phase ends by itself.
    public func end(of rotation: AuthorityRotation) -> Timestamp {
        rotation.since.advanced(by: rotation.phase == .overlap ? overlap : retiring)
    }
}

extension CertificateAuthority {
    /// Begins to hand over to a new root: believed from now on, and signing one phase later.
    ///
    /// - Parameter next: an installed one; left out, one is made.
    /// - Throws: `rotation-under-way`; `malformed-certificate` where a certificate can't be made.
    public mutating func beginRotation(
        to next: AuthorityGeneration? = nil,
        now: Timestamp
    ) throws(IdentityError) {
        guard rotation == nil else {
            throw IdentityError(
                .rotationUnderWay,
                "a rotation is under way already: hms-reg ca show says when its next phase comes"
            )
        }
        let other: AuthorityGeneration
        if let next { other = next } else { other = try AuthorityGeneration(trustDomain: trustDomain, now: now) }
        rotation = AuthorityRotation(
            phase: .overlap,
            since: now,
            other: other,
            crossCertificate: try other.crossSigned(by: active, now: now)
        )
        try note(.rotationBegun, other: other.root, now: now)
    }

    /// Goes on to the next phase where its time has come.
    ///
    /// - Returns: whether it did; it must be stored then.
    public mutating func advanceRotation(
        now: Timestamp,
        schedule: RotationSchedule
    ) throws(IdentityError) -> Bool {
        guard let rotation, now >= schedule.end(of: rotation) else { return false }
        switch rotation.phase {
        case .overlap:
            self.rotation = AuthorityRotation(
                phase: .retiring,
                since: now,
                other: active,
                crossCertificate: rotation.crossCertificate
            )
            let former = root
            active = rotation.other
            _ = try active.renewIssuerIfDue(trustDomain, now: now)
            try note(.rootHandedOver, other: former, now: now)
        case .retiring: try retire(rotation, now: now, schedule: schedule)
        }
        return true
    }

    /// Forgets the roots whose time of leading over has passed.
    ///
    /// - Returns: whether it did; it must be stored then.
    public mutating func forgetFormerRoots(now: Timestamp) -> Bool {
        let remembered = formerRoots.filter { $0.until > now }
        guard remembered.count < formerRoots.count else { return false }
        formerRoots = remembered
        return true
    }

    private mutating func retire(
        _ over: AuthorityRotation,
        now: Timestamp,
        schedule: RotationSchedule
    ) throws(IdentityError) {
        try note(.rotationEnded, other: over.other.root, now: now)
        rotation = nil
        guard let cross = over.crossCertificate else {
            // Nobody is led from here to the present root, so that ways to this one lead nowhere.
            formerRoots = []
            return
        }
        let until = min(now.advanced(by: schedule.remembering), over.other.root.endsAt)
        let former = FormerRoot(root: over.other.root, crossCertificate: cross, until: until)
        formerRoots = Array(([former] + formerRoots).prefix(FormerRoot.most))
    }

    /// Ends the last phase before its time: the old root is believed no more. Whether anybody still needs it is for the
    /// caller to know.
    ///
    /// - Throws: `no-rotation` where there is none in its last phase.
    public mutating func finishRotation(now: Timestamp, schedule: RotationSchedule) throws(IdentityError) {
        guard let rotation else {
            throw IdentityError(.noRotation, "no rotation is under way: hms-reg ca rotate begins one")
        }
        guard rotation.phase == .retiring else {
            throw IdentityError(.noRotation, "the old root still signs: only the last phase can be ended early")
        }
        try retire(rotation, now: now, schedule: schedule)
    }
}
