import NIOHTTP1
import Testing

@testable import Dashboard

@Suite("The page's requests and answers")
struct PageTests {
    @Test("path and query are decoded, what is no encoding stays")
    func requests() {
        let request = PageRequest(
            HTTPRequestHead(
                version: .http1_1,
                method: .GET,
                uri: "/api/service/identity%2Dcheck?at=2026-11-24T14%3A05%3A12Z&q=100%&empty",
                headers: ["host": "localhost", "sec-fetch-site": "same-origin"]
            )
        )
        #expect(request.path == ["api", "service", "identity-check"])
        #expect(request.query == ["at": "2026-11-24T14:05:12Z", "q": "100%", "empty": ""])
        #expect(request.site == "same-origin")
    }

    @Test("every answer forbids what is not the page's own, and has no script of its own inside")
    func headers() throws {
        let page = try #require(PageAsset.reply([]))
        #expect(page.head.headers.first(name: "content-security-policy")?.hasPrefix("default-src 'self';") == true)
        #expect(page.head.headers.first(name: "x-content-type-options") == "nosniff")
        let html = String(decoding: page.body, as: UTF8.self)
        #expect(!html.contains(" style=") && !html.contains("onclick") && !html.contains("http://"))
        #expect(PageAsset.reply(["app.js"])?.type.hasPrefix("text/javascript") == true)
        #expect(PageAsset.reply(["..", "etc", "passwd"]) == nil)
    }

    @Test("no file of the page makes HTML of text, and each one that another names is there")
    func files() throws {
        let names = ["app", "format", "store", "services", "mesh", "registry", "details", "timeline"]
        for name in names {
            let reply = try #require(PageAsset.reply(["\(name).js"]), "\(name)")
            let text = String(decoding: reply.body, as: UTF8.self)
            #expect(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML") && !text.contains("eval("))
            for line in text.split(separator: "\n") where line.hasPrefix("import ") {
                let file = try #require(line.split(separator: "\"").dropFirst().first)
                #expect(PageAsset.reply([String(file.dropFirst(2))]) != nil, "\(file)")
            }
        }
    }

    @Test("whose a connection is stands in the kernel's table, by both of its ends")
    func peers() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:2332 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
               1: 0100007F:9C40 0100007F:2332 01 00000000:00000000 00:00000000 00000000  1001        0 2 1
               2: 0200007F:9C40 0100007F:2332 01 00000000:00000000 00:00000000 00000000  1002        0 3 1
            """
        #expect(PeerUser.id(in: table, peer: ["0100007F:9C40"], own: ["0100007F:2332"]) == 1_001)
        #expect(PeerUser.id(in: table, peer: ["0200007F:9C40"], own: ["0100007F:2332"]) == 1_002)
        #expect(PeerUser.id(in: table, peer: ["0100007F:9C41"], own: ["0100007F:2332"]) == nil)
    }
}
