/* Resolves each argument with getaddrinfo() and prints one line: the name, then its addresses or the error. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  int failed = 0;
  for (int i = 1; i < argc; i++) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found, *each;
    int error = getaddrinfo(argv[i], "80", &hints, &found);
    printf("%s", argv[i]);
    if (error != 0) {
      printf(" %s\n", gai_strerror(error));
      failed = 1;
      continue;
    }
    for (each = found; each != NULL; each = each->ai_next) {
      char text[INET6_ADDRSTRLEN] = "";
      const void *address = each->ai_family == AF_INET
        ? (const void *)&((struct sockaddr_in *)each->ai_addr)->sin_addr
        : (const void *)&((struct sockaddr_in6 *)each->ai_addr)->sin6_addr;
      printf(" %s", inet_ntop(each->ai_family, address, text, sizeof text));
    }
    printf("\n");
    freeaddrinfo(found);
  }
  return failed;
}
