// Opens an environment, imports a file, reads a record, compares: main LOCATION FILE
package main

/*
#cgo pkg-config: keyferry
#include <keyferry.h>
#include <stdlib.h>

extern int32_t goLine(void *context, void *line, size_t len);

static kf_status records(kf_environment environment, const char *path, const char *options) {
	return kf_environment_records(environment, path, options, (kf_write_callback)goLine, NULL);
}
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

//export goLine
func goLine(_ unsafe.Pointer, line unsafe.Pointer, length C.size_t) C.int32_t {
	os.Stdout.Write(C.GoBytes(line, C.int(length)))
	return 0
}

// check turns a status into an error. The error's text belongs to the thread that called.
func check(status C.kf_status) error {
	if status == C.KF_OK {
		return nil
	}
	return fmt.Errorf("%s: %s", C.GoString(C.kf_status_name(status)), C.GoString(C.kf_last_error()))
}

func run(location, file string) error {
	runtime.LockOSThread() // kf_last_error is the thread's own
	defer runtime.UnlockOSThread()
	if C.kf_abi_version() != C.KF_ABI_VERSION {
		return fmt.Errorf("libkeyferry has another ABI than keyferry.h")
	}
	var texts []*C.char
	text := func(of string) *C.char {
		made := C.CString(of)
		texts = append(texts, made)
		return made
	}
	defer func() {
		for _, made := range texts {
			C.free(unsafe.Pointer(made))
		}
	}()

	credentials := C.kf_credentials{master_password: text(os.Getenv("KEYFERRY_MASTER_PASSWORD"))}
	credentials.size = C.size_t(unsafe.Sizeof(credentials))
	var environment C.kf_environment
	if err := check(C.kf_environment_open(text(location), &credentials, &environment)); err != nil {
		return err
	}
	defer C.kf_environment_close(environment)

	// Every record is encrypted here, sent, read back, decrypted and compared.
	if err := check(C.kf_import(0, text(file), environment, nil, nil, nil)); err != nil {
		return err
	}
	fmt.Println("imported")
	if err := check(C.records(environment, text("Infra/Databases"), text(`{"query": "primary"}`))); err != nil {
		return err
	}
	if err := check(C.kf_verify(0, environment, nil, 0, text(file), nil, nil)); err != nil {
		return err
	}
	fmt.Println("verified: equal")
	return nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "main LOCATION FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
