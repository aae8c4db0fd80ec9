import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;

/** Sends each URL with one HttpClient, whose pool has one connection for each address. */
class Requests {
  public static void main(String[] urls) throws Exception {
    var client = HttpClient.newBuilder().version(HttpClient.Version.valueOf(urls[0])).build();
    for (int index = 1; index < urls.length; index++) {
      var uri = URI.create(urls[index]);
      System.out.println(uri.getScheme().equals("ws") ? echo(client, uri) : get(client, uri));
    }
  }

  static String get(HttpClient client, URI uri) throws Exception {
    var response = client.send(HttpRequest.newBuilder(uri).build(), BodyHandlers.ofString());
    return response.statusCode() + " " + response.body().trim();
  }

  static String echo(HttpClient client, URI uri) throws Exception {
    var echoed = new CompletableFuture<String>();
    var listener = new WebSocket.Listener() {
      public CompletionStage<?> onText(WebSocket socket, CharSequence text, boolean isLast) {
        echoed.complete(text.toString());
        return null;
      }
    };
    var socket = client.newWebSocketBuilder().buildAsync(uri, listener).get(10, TimeUnit.SECONDS);
    socket.sendText("hello " + uri.getHost(), true);
    var text = echoed.get(10, TimeUnit.SECONDS);
    socket.abort();
    return text;
  }
}
