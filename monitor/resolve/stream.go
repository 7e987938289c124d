package resolve

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// streamIdle is how long a connection stays open that nobody uses, streamQuestions how many questions it takes.
	streamIdle      = 10 * time.Second
	streamQuestions = 1000
	// streamRetries is how often a question is asked again whose connection, which others had too, was closed without an answer to
	// anybody that we know of.
	streamRetries = 4
)

// stream is a TCP or TLS connection that many questions share, sent without waiting for the answers before (RFC 7766 section
// 6.2). Safe for concurrent use.
type stream struct {
	conn net.Conn
	// made is when it began to be made.
	made time.Time
	// ended is closed when the connection's reader has ended.
	ended chan struct{}

	writing sync.Mutex
	mu      sync.Mutex
	// waiting are the questions that are open, by ID; nil where the asker has gone.
	waiting map[uint16]chan []byte
	asked   int
	// answered says that somebody has got an answer.
	answered bool
	err      error
}

// exchangeStream sends a message over a connection that is open already, or a new one, and gives the reply to it.
func (c *Client) exchangeStream(ctx context.Context, l *lane, o *Observation, m *dns.Msg, wire []byte, since time.Time) (message, error) {
	for fruitless := 0; ; {
		s, reused, err := l.stream(ctx, o, since)
		if err != nil {
			return message{}, err
		}
		reply, err := s.exchange(ctx, wire)
		if err != nil && ctx.Err() == nil && (reused || s.hasAnswered() || fruitless < streamRetries && s.isShared()) {
			// It was closed under us, as servers do with connections that are idle, and some after each answer: then
			// somebody else had it, and there is one question less.
			fruitless++
			continue
		}
		if err != nil {
			return message{}, err
		}
		return parseStreamed(m, reply)
	}
}

// stream gives a connection to an address, and whether others have used it before. One dials for all.
func (l *lane) stream(ctx context.Context, o *Observation, since time.Time) (*stream, bool, error) {
	door := l.door(o.Server)
	door.Lock()
	defer door.Unlock()
	l.mu.Lock()
	before := l.streams[o.Server]
	l.mu.Unlock()
	if before != nil && before.open(since) {
		return before, true, nil
	}
	s, err := dialStream(ctx, o.Server, l.tls, o.Transport == DoT)
	if err != nil {
		return nil, false, err
	}
	if before != nil {
		before.retire()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams[o.Server] = s
	return s, false, nil
}

func dialStream(ctx context.Context, server netip.AddrPort, conf *tls.Config, secure bool) (*stream, error) {
	var d net.Dialer
	made := time.Now()
	conn, err := d.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return nil, err
	}
	if secure {
		t := tls.Client(conn, conf)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = t
	}
	s := &stream{conn: conn, made: made, waiting: map[uint16]chan []byte{}, ended: make(chan struct{})}
	go s.read()
	return s, nil
}

// open says whether the connection takes more questions and was made since then.
func (s *stream) open(since time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err == nil && s.asked < streamQuestions && !s.made.Before(since)
}

// hasAnswered says whether an answer has come over the connection.
func (s *stream) hasAnswered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}

// isShared says whether more than one question went over the connection.
func (s *stream) isShared() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked > 1
}

// retire has no more questions go over the connection. It closes it unless somebody still waits for an answer, and says
// whether it did; else it is closed after the last one.
func (s *stream) retire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = streamQuestions
	for _, answer := range s.waiting {
		if answer != nil {
			return false
		}
	}
	_ = s.conn.Close()
	return true
}

// exchange sends a message and waits for what comes under its ID.
func (s *stream) exchange(ctx context.Context, wire []byte) ([]byte, error) {
	answer := make(chan []byte, 1)
	id, err := s.register(answer)
	if err != nil {
		return nil, err
	}
	if err := s.write(ctx, id, wire); err != nil {
		s.close(err)
		return nil, err
	}
	select {
	case reply, ok := <-answer:
		if !ok {
			s.mu.Lock()
			defer s.mu.Unlock()
			return nil, s.err
		}
		copy(reply, wire[:2])
		return reply, nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, waits := s.waiting[id]; waits {
			s.waiting[id] = nil
		}
		return nil, ctx.Err()
	}
}

// register gives a question an ID of its own on this connection.
func (s *stream) register(answer chan []byte) (uint16, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.asked++
	var b [2]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		id := binary.BigEndian.Uint16(b[:])
		if _, taken := s.waiting[id]; !taken {
			s.waiting[id] = answer
			return id, nil
		}
	}
}

func (s *stream) write(ctx context.Context, id uint16, wire []byte) error {
	message := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(wire)), uint16(len(wire)))
	message = append(binary.BigEndian.AppendUint16(message, id), wire[2:]...)
	s.writing.Lock()
	defer s.writing.Unlock()
	if deadline, ok := ctx.Deadline(); ok {
		_ = s.conn.SetWriteDeadline(deadline)
	}
	_, err := s.conn.Write(message)
	return err
}

// read hands out what comes until the connection ends.
func (s *stream) read() {
	defer close(s.ended)
	for {
		_ = s.conn.SetReadDeadline(time.Now().Add(streamIdle))
		message, err := readMessage(s.conn)
		if err == nil {
			err = s.deliver(message)
		}
		if err != nil {
			s.close(err)
			return
		}
	}
}

var errStrange = errors.New("a message on the connection that answers nothing")

// readMessage reads one message with its length (RFC 1035 section 4.2.2).
func readMessage(conn net.Conn) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(conn, message)
	return message, err
}

// deliver gives a message to whoever asked under its ID. What nobody asked for ends the connection.
func (s *stream) deliver(message []byte) error {
	if len(message) < 2 {
		return errStrange
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := binary.BigEndian.Uint16(message)
	answer, ok := s.waiting[id]
	if !ok {
		return errStrange
	}
	delete(s.waiting, id)
	s.answered = true
	if answer != nil {
		answer <- message
	}
	if len(s.waiting) == 0 && s.asked >= streamQuestions {
		return net.ErrClosed
	}
	return nil
}

// close ends the connection; all who wait are told why.
func (s *stream) close(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	for id, answer := range s.waiting {
		if delete(s.waiting, id); answer != nil {
			close(answer)
		}
	}
	_ = s.conn.Close()
}
