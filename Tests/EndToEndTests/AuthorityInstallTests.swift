import Foundation
import TestSupport
import Testing

/// Authorities of an agency's own that are handed to the registry and would not do.
@Suite("hms-reg ca install")
struct AuthorityInstallTests {
    @Test("what would not do is refused, with what is wrong and what to do; nothing changes by it")
    func unfit() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            let before = try await daemon.reg("ca", "show", "--json").output
            let clock = try ShiftedClock.environment(seconds: -400 * 86_400, in: directory)
            let lastYear = clock.map { "\($0.key)='\($0.value)'" }.joined(separator: " ")
            let made = try runShell(
                """
                cd '\(directory)' && \
                for name in root other; do openssl ecparam -genkey -name prime256v1 -noout -out $name.key || exit; done && \
                openssl pkcs8 -topk8 -in root.key -out sealed.key -passout pass:secret && \
                openssl ec -in root.key -out old-sealed.key -aes256 -passout pass:secret && \
                authority="-x509 -new -key root.key -addext keyUsage=critical,keyCertSign -days 300" && \
                openssl req $authority -subj '/CN=Good root' -out root.pem && \
                \(lastYear) openssl req $authority -subj '/CN=Expired root' -out expired.pem && \
                printf '%s\\n' '[req]' 'distinguished_name=name' '[name]' '[short]' 'basicConstraints=critical,CA:TRUE,pathlen:0' \
                  'keyUsage=critical,keyCertSign' > short.cnf && \
                openssl req -x509 -new -key root.key -days 300 -subj '/CN=Short root' -config short.cnf -extensions short -out short.pem && \
                openssl req -new -key other.key -subj '/CN=Below' -out below.csr && \
                printf 'basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign' > below.ext && \
                openssl x509 -req -in below.csr -CA short.pem -CAkey root.key -CAcreateserial -days 30 -extfile below.ext -out below.pem
                """
            )
            #expect(made.status == 0, "\(made.output)")
            for (names, wrong, advice) in [
                (["expired.pem", "root.key"], "CN=Expired root ended at ", "one that is valid"),
                (["root.pem", "sealed.key"], "the key is encrypted", "openssl pkey -in KEY"),
                (["root.pem", "old-sealed.key"], "the key is encrypted", "openssl pkey -in KEY"),
                (["short.pem", "root.key"], "CN=Short root allows no issuer below it (path length 0", "at least 1"),
                (["below.pem", "other.key", "short.pem"], "CN=Short root allows no issuer below it", "at least 1"),
                (["root.pem", "other.key"], "the key is not that of CN=Good root", "the key that belongs to it"),
            ] {
                let refused = try await daemon.reg(["ca", "install"] + names.map { "\(directory)/\($0)" })
                #expect(refused.exitCode == 1, "\(names)")
                #expect(refused.errors.contains(wrong), "\(names): \(refused.errors)")
                #expect(refused.errors.contains(advice), "\(names): \(refused.errors)")
            }
            #expect(try await daemon.reg("ca", "show", "--json").output == before)
            let installed = try await daemon.reg("ca", "install", directory + "/root.pem", directory + "/root.key")
            #expect(installed.exitCode == 0, "\(installed.errors)")
            try await daemon.program.end()
        }
    }
}
