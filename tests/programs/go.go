// Goroutines on threads of their own kind: channels, timers, locks, processes, HTTP.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

func primes(limit int) int {
	numbers := make(chan int)
	go func(out chan int) {
		for n := 2; n < limit; n++ {
			out <- n
		}
		close(out)
	}(numbers)
	count := 0
	for {
		prime, open := <-numbers
		if !open {
			return count
		}
		count++
		next := make(chan int)
		go func(in, out chan int) {
			for n := range in {
				if n%prime != 0 {
					out <- n
				}
			}
			close(out)
		}(numbers, next)
		numbers = next
	}
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, strings.NewReader(strings.Repeat(r.URL.Path, 1000)))
	}
	go http.Serve(listener, http.HandlerFunc(handler))
	var group sync.WaitGroup
	lengths := make([]int, 8)
	for n := range lengths {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			answer, err := http.Get(fmt.Sprintf("http://%s/%d", listener.Addr(), n))
			if err == nil {
				body, _ := io.ReadAll(answer.Body)
				lengths[n] = len(body)
			}
		}(n)
	}
	group.Wait()
	fmt.Println(lengths)
}

func main() {
	fmt.Println(primes(300))
	var lock sync.Mutex
	var group sync.WaitGroup
	total := 0
	for n := 0; n < 20; n++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 200; i++ {
				lock.Lock()
				total++
				lock.Unlock()
				runtime.Gosched()
			}
		}()
	}
	group.Wait()
	fmt.Println(total)
	serve()
	deadline, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	<-deadline.Done()
	fmt.Println(deadline.Err())
	output, err := exec.Command("/bin/busybox", "echo", "child").Output()
	fmt.Printf("%q %v\n", output, err)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-signals)
	words := map[string]int{}
	for n := 0; n < 20000; n++ {
		words[fmt.Sprint(n%137)] += n
	}
	runtime.GC()
	keys := []string{}
	for key := range words {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	fmt.Println(len(keys), keys[0], words[keys[0]])
	os.Exit(3)
}
