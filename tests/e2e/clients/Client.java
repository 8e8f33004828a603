import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Base64;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.TrustManagerFactory;

/**
 * java Client.java URL CA: pings, creates, inserts and reads with java.net.http over HTTPS, and trusts
 * nothing but the CA (a file in PEM). java.net.http offers HTTP/2 beside HTTP/1.1.
 */
class Client {
    static final String LOGIN = "Basic " + Base64.getEncoder().encodeToString("test:test".getBytes());

    final HttpClient http;
    final String url;

    Client(String url, SSLContext context) {
        this.url = url + "/api/v1/";
        http = HttpClient.newBuilder().sslContext(context).connectTimeout(Duration.ofSeconds(60)).build();
    }

    static SSLContext trust(String ca) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream file = new FileInputStream(ca)) {
            CertificateFactory certificates = CertificateFactory.getInstance("X.509");
            store.setCertificateEntry("ca", certificates.generateCertificate(file));
        }
        String algorithm = TrustManagerFactory.getDefaultAlgorithm();
        TrustManagerFactory factory = TrustManagerFactory.getInstance(algorithm);
        factory.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        return context;
    }

    HttpResponse<String> ask(String method, String path, String body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + path))
                .timeout(Duration.ofSeconds(60))
                .header("Authorization", LOGIN)
                .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body))
                .build();
        return http.send(request, BodyHandlers.ofString());
    }

    void expect(String method, String path, String body, int status, String answer) throws Exception {
        HttpResponse<String> got = ask(method, path, body);
        if (got.statusCode() != status || (answer != null && !got.body().equals(answer)))
            throw new AssertionError(method + " " + path + ": " + got.statusCode() + " " + got.body());
    }

    static String points(int count) {
        StringBuilder text = new StringBuilder("[");
        for (int i = 0; i < count; i++)
            text.append(i > 0 ? "," : "").append(String.format("{\"t\":%d,\"d\":%d}", 1480000000 + i, i));
        return text.append("]").toString();
    }

    public static void main(String[] arguments) throws Exception {
        Client client = new Client(arguments[0], trust(arguments[1]));
        client.expect("GET", "?q=this", null, 200, "test/user");
        client.expect("POST", "crud/test/java", "{}", 200, null);
        client.expect("POST", "crud/test/user/java", "{\"nickname\":\"gr\u00fcn\"}", 200, null);
        if (!client.ask("GET", "crud/test/user/java", null).body().contains("gr\u00fcn"))
            throw new AssertionError("the nickname is another one");
        String points = points(20000);
        client.expect("POST", "crud/test/user/java/data", points, 200, "ok");
        client.expect("GET", "crud/test/user/java/data?i1=0", null, 200, points);
        client.expect("PUT", "crud/test/user/java/data", "[{\"t\":1,\"d\":\"restamped\"}]", 200, "ok");
        client.expect("GET", "crud/test/user/java/data?q=length", null, 200, "20001");
        client.expect("GET", "crud/test/user/none", null, 404, null);
        client.expect("DELETE", "crud/test/user/java", null, 200, "ok");
        try {
            new Client(arguments[0], SSLContext.getDefault()).ask("GET", "?q=this", null);
            throw new AssertionError("an unknown CA was trusted");
        } catch (SSLHandshakeException expected) {
            System.out.println("ok");
        }
    }
}
