module keyferry.example/go-client

go 1.19
