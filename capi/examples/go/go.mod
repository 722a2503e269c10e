module keyferry.example

go 1.21
