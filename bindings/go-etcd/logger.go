// Where a node logs to.

package raft

import (
	"fmt"
	"io"
	"log"
	"os"
	"sync"
)

// Logger takes the lines of a node. Fatal ends the process, Panic panics.
type Logger interface {
	Debug(v ...any)
	Debugf(format string, v ...any)

	Error(v ...any)
	Errorf(format string, v ...any)

	Info(v ...any)
	Infof(format string, v ...any)

	Warning(v ...any)
	Warningf(format string, v ...any)

	Fatal(v ...any)
	Fatalf(format string, v ...any)

	Panic(v ...any)
	Panicf(format string, v ...any)
}

var shared = struct {
	sync.Mutex
	logger Logger
}{logger: newDefaultLogger(os.Stderr)}

func newDefaultLogger(to io.Writer) Logger {
	return &DefaultLogger{Logger: log.New(to, "raft ", log.LstdFlags)}
}

// SetLogger sets the logger of nodes without Config.Logger.
func SetLogger(l Logger) {
	shared.Lock()
	defer shared.Unlock()
	shared.logger = l
}

// ResetDefaultLogger sets back what [SetLogger] has set: lines go to standard error.
func ResetDefaultLogger() { SetLogger(newDefaultLogger(os.Stderr)) }

func defaultLogger() Logger {
	shared.Lock()
	defer shared.Unlock()
	return shared.logger
}

// DefaultLogger is a [Logger] on a logger of the standard library.
type DefaultLogger struct {
	*log.Logger
	debug bool
}

// callers is the distance from Output to the caller of a method here.
const callers = 3

func (l *DefaultLogger) line(level, text string) { _ = l.Output(callers, level+": "+text) }

// EnableTimestamps adds date and time to each line.
func (l *DefaultLogger) EnableTimestamps() { l.SetFlags(l.Flags() | log.Ldate | log.Ltime) }

// EnableDebug lets Debug and Debugf write.
func (l *DefaultLogger) EnableDebug() { l.debug = true }

// Debug writes a line if EnableDebug was called.
func (l *DefaultLogger) Debug(v ...any) {
	if l.debug {
		l.line("DEBUG", fmt.Sprint(v...))
	}
}

// Debugf writes a line if EnableDebug was called.
func (l *DefaultLogger) Debugf(format string, v ...any) {
	if l.debug {
		l.line("DEBUG", fmt.Sprintf(format, v...))
	}
}

// Info writes a line.
func (l *DefaultLogger) Info(v ...any) { l.line("INFO", fmt.Sprint(v...)) }

// Infof writes a line.
func (l *DefaultLogger) Infof(format string, v ...any) { l.line("INFO", fmt.Sprintf(format, v...)) }

// Warning writes a line.
func (l *DefaultLogger) Warning(v ...any) { l.line("WARN", fmt.Sprint(v...)) }

// Warningf writes a line.
func (l *DefaultLogger) Warningf(format string, v ...any) {
	l.line("WARN", fmt.Sprintf(format, v...))
}

// Error writes a line.
func (l *DefaultLogger) Error(v ...any) { l.line("ERROR", fmt.Sprint(v...)) }

// Errorf writes a line.
func (l *DefaultLogger) Errorf(format string, v ...any) { l.line("ERROR", fmt.Sprintf(format, v...)) }

// Fatal writes a line and ends the process.
func (l *DefaultLogger) Fatal(v ...any) {
	l.line("FATAL", fmt.Sprint(v...))
	os.Exit(1)
}

// Fatalf writes a line and ends the process.
func (l *DefaultLogger) Fatalf(format string, v ...any) {
	l.line("FATAL", fmt.Sprintf(format, v...))
	os.Exit(1)
}

// Panic panics with the text.
func (l *DefaultLogger) Panic(v ...any) { l.Logger.Panic(v...) }

// Panicf panics with the text.
func (l *DefaultLogger) Panicf(format string, v ...any) { l.Logger.Panicf(format, v...) }
